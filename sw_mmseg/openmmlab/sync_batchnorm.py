"""The name `SyncBN` means a layer that works on a machine without a GPU, where torch's refuses every image.

So one config trains on a CPU, one GPU or many. On GPUs `SyncBN` stays torch's.
"""

from __future__ import annotations

import torch

from sw_mmseg.openmmlab.change import Change

__all__ = ['SYNC_BATCHNORM']

NAME = 'SyncBN'
_BEFORE: list[type] = []


def take_name() -> None:
    """Gives the name to `sw_mmseg.models.SyncBatchNorm`."""
    import mmcv.cnn  # noqa: F401  gives it to torch's, which must not come later
    from mmengine.registry import MODELS

    from sw_mmseg.models import SyncBatchNorm

    _BEFORE.append(MODELS.module_dict[NAME])
    MODELS.register_module(NAME, module=SyncBatchNorm, force=True)


def give_name_back() -> None:
    """Gives the name to the layer that had it."""
    from mmengine.registry import MODELS

    MODELS.register_module(NAME, module=_BEFORE.pop(), force=True)


SYNC_BATCHNORM = Change(
    name='SyncBN without a GPU',
    effect="the name SyncBN of mmengine's root registry means sw_mmseg.models.SyncBatchNorm",
    reason='torch.nn.SyncBatchNorm refuses inputs on a CPU as soon as there is a process group',
    package='torch, mmcv',
    versions='torch 2.7 to 2.11, mmcv 2',
    apply=take_name,
    undo=give_name_back,
    needed=lambda: not torch.cuda.is_available(),
)
