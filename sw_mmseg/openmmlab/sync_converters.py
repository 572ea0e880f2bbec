"""torch's and mmengine's converters to SyncBN leave SW layers alone, which synchronise by themselves.

SW is a `_BatchNorm`, by which OpenMMLab recognises a norm; the converters replace every `_BatchNorm`. mmengine's stands
in four modules, each of which imported it by name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable

from torch import nn

from sw_mmseg.openmmlab.change import Change, Replacements
from sw_mmseg.whitening import convert_sync_batchnorm

__all__ = ['CONVERTERS']

NAME = 'convert_sync_batchnorm'
HOLDERS = ('mmengine.model', 'mmengine.model.utils', 'mmengine.runner.runner', 'mmengine._strategy.distributed')
_ORIGINALS = Replacements()


def protect() -> None:
    """Makes every converter skip SW layers."""
    _ORIGINALS.replace(nn.SyncBatchNorm, NAME, staticmethod(_skipping(nn.SyncBatchNorm.convert_sync_batchnorm)))
    for name in HOLDERS:
        module = importlib.import_module(name)
        _ORIGINALS.replace(module, NAME, _skipping(getattr(module, NAME)))


def _skipping(convert: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    @functools.wraps(convert)
    def wrapper(module: nn.Module, *args, **kwargs) -> nn.Module:
        return convert_sync_batchnorm(module, convert=lambda part: convert(part, *args, **kwargs))

    return wrapper


CONVERTERS = Change(
    name='converters to SyncBN',
    effect='torch.nn.SyncBatchNorm.convert_sync_batchnorm and the four places of mmengine that have it skip SW layers',
    reason='they replace every _BatchNorm, SW among them, and with it the whitening',
    package='torch, mmengine',
    versions='torch 2.7 to 2.11, mmengine 0.10',
    apply=protect,
    undo=_ORIGINALS.restore,
)
