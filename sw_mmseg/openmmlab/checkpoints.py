"""Local checkpoints for mmengine up to 0.10.7, which torch 2.6 and later refuses to open.

They hold mmengine's own log buffers, for which torch wants `weights_only=False` said, and that mmengine does not say
it. A checkpoint is as trusted as the code that wrote it. Later versions, and the continuation of mmengine, do without.
"""

import os.path as osp

import mmengine
import torch
from mmengine.runner import CheckpointLoader
from mmengine.utils import digit_version

__all__ = ['load_local_checkpoint']

LAST_IN_NEED = '0.10.7'


def load_local_checkpoint(filename: str, map_location: str | torch.device | None = None) -> dict:
    """What mmengine's loader of local files does, on any torch.

    Raises:
        FileNotFoundError: there is no such file.
    """
    filename = osp.expanduser(filename)
    if not osp.isfile(filename):
        raise FileNotFoundError(f'{filename} can not be found.')
    return torch.load(filename, map_location=map_location, weights_only=False)


if digit_version(mmengine.__version__) <= digit_version(LAST_IN_NEED):
    CheckpointLoader.register_scheme('', load_local_checkpoint, force=True)
