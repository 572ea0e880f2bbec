"""A BatchNorm network takes the weights of a whitening one, from `load_from` and wherever mmengine loads.

The other way round the layer itself has the rule. torch's BatchNorm has none, and mmengine skips names that it does not
find: means would be those of the file, and variances 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import mmengine.runner
import mmengine.runner.checkpoint
from torch import nn

from sw_mmseg.openmmlab.change import Change, Replacements

__all__ = ['WHITENING_WEIGHTS']

NAME = 'load_state_dict'
HOLDERS = (mmengine.runner.checkpoint, mmengine.runner)
_ORIGINALS = Replacements()


def take_variances() -> None:
    """Makes mmengine's loader read a covariance where a BatchNorm asks for a variance."""
    for holder in HOLDERS:
        _ORIGINALS.replace(holder, NAME, _with_variances(getattr(holder, NAME)))


def _with_variances(load: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(load)
    def wrapper(module: nn.Module, *args, **kwargs) -> None:
        from sw_mmseg.models.from_whitening import variances_of_whitening  # imports mmseg, which other changes precede

        with variances_of_whitening(module):
            load(module, *args, **kwargs)

    return wrapper


WHITENING_WEIGHTS = Change(
    name='weights of whitening layers',
    effect='load_state_dict of mmengine.runner gives a BatchNorm the variances of a whitening layer, with a warning',
    reason='it skips names that it does not find: the means would be of the file, the variances those of a new layer',
    package='mmengine',
    versions='0.10',
    apply=take_variances,
    undo=_ORIGINALS.restore,
)
