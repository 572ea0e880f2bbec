"""SW in the registry where `BN` lives, mmengine's root, so that `norm_cfg=dict(type='SW')` works in every scope.

Attributes keep BatchNorm's names (bn1, bn2, …), since the layer is a `_BatchNorm`: a checkpoint of BatchNorm loads into
its place. The other way round, `init_cfg` and mmengine's loader give a BatchNorm the diagonals of the covariances, with
a warning (`from_whitening`).

`norm_cfg` cannot know the channels of every layer. So what the registry builds has the largest groups up to 16 that
divide the channels, as `convert` has them, and the log names each other size once; a size that `norm_cfg` names has to
divide the channels, as the layer itself has it.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import MODELS

from sw_mmseg.models.instance_batch_norm import InstanceBatchNorm2d
from sw_mmseg.whitening import NORMS as TABLE
from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d
from sw_mmseg.whitening.conversion import largest_group_size
from sw_mmseg.whitening.layer import SwitchWhiten

__all__ = ['NORMS', 'fitting']

LIMIT = 16  # channels of a group, the paper's number
WIDE = {'bw', 'iw'}  # the words that whiten groups


def fitting(layer: type[SwitchWhiten]) -> type[SwitchWhiten]:
    """A class whose call gives a `layer`, with groups that fit its channels unless the call names their size."""

    class Fitting(layer):  # type: ignore[valid-type, misc]  # a class, since mmcv asks a norm type what it derives from
        def __new__(cls, num_features: int, *words: Any, **options: Any) -> SwitchWhiten:
            if 'group_size' in options or len(words) > 4:  # eps, momentum, affine, statistics come before it
                return layer(num_features, *words, **options)
            size = largest_group_size(num_features, LIMIT)
            norm = layer(num_features, *words, group_size=size, **options)
            if size < LIMIT and WIDE & set(norm.statistics):
                _say(num_features, size)
            return norm

    Fitting.__name__, Fitting.__qualname__, Fitting.__doc__ = layer.__name__, layer.__qualname__, layer.__doc__
    return Fitting


@functools.cache
def _say(channels: int, size: int) -> None:
    print_log(
        f'{LIMIT} does not divide {channels} channels: layers of SW there whiten groups of {size}',
        'current',
        logging.INFO,
    )


# the one place where the names that configs use for norms come from
NORMS = {
    **{norm.type: fitting(norm.layer) for norm in TABLE.values() if norm.switchable},  # SW, SWb, SN, BW, IW
    'SWa': fitting(SwitchWhiten2d),
    'SW1d': fitting(SwitchWhiten1d),
    'SW2d': fitting(SwitchWhiten2d),
    'SW3d': fitting(SwitchWhiten3d),
    'IBN': InstanceBatchNorm2d,
}
for _name, _norm in NORMS.items():
    MODELS.register_module(_name, module=_norm)
