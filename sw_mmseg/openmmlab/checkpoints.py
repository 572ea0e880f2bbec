"""Local checkpoints for mmengine up to 0.10.7, which torch 2.6 and later refuses to open.

They hold mmengine's own log buffers, for which torch wants `weights_only=False` said, and that mmengine does not say
it. A checkpoint is as trusted as the code that wrote it. Later versions, and the continuation of mmengine, do without.
"""

from __future__ import annotations

import os.path as osp

import mmengine
import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local
from mmengine.utils import digit_version

from sw_mmseg.openmmlab.change import Change

__all__ = ['LOCAL_CHECKPOINTS', 'load_local_checkpoint']

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


def _use(loader) -> None:
    CheckpointLoader.register_scheme('', loader, force=True)


LOCAL_CHECKPOINTS = Change(
    name='local checkpoints',
    effect="mmengine's loader of local files says weights_only=False",
    reason='torch 2.6 and later refuses the log buffers in checkpoints of mmengine unless it is said',
    package='mmengine', versions=f'up to {LAST_IN_NEED}',
    apply=lambda: _use(load_local_checkpoint), undo=lambda: _use(load_from_local),
    needed=lambda: digit_version(mmengine.__version__) <= digit_version(LAST_IN_NEED))
