"""`efficient_conv_bn_eval` of mmengine and mmcv leaves SW as it is, whatever else of a network it joins.

In evaluation it multiplies the weight of a convolution by the scale of the `_BatchNorm` behind it. SW is one by class,
and has a matrix instead of a scale, for SWa one of each image. Without this, such a network fails in its first
evaluation.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from torch import Tensor

from sw_mmseg.openmmlab.change import Change, Replacements
from sw_mmseg.whitening.layer import SwitchWhiten

__all__ = ['EFFICIENT_EVAL']

NAME = 'efficient_conv_bn_eval_forward'
HOLDERS = ('mmengine.model.efficient_conv_bn_eval', 'mmcv.cnn.bricks.conv_module')
_ORIGINALS = Replacements()


def protect() -> None:
    """Makes both functions call the convolution and then SW, one after the other."""
    for name in HOLDERS:
        module = importlib.import_module(name)
        _ORIGINALS.replace(module, NAME, _whitening(getattr(module, NAME)))


def _whitening(joined: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @functools.wraps(joined)
    def forward(bn: Any, conv: Any, x: Tensor) -> Tensor:
        if isinstance(bn, SwitchWhiten):
            return bn(conv._conv_forward(x, conv.weight, conv.bias))
        return joined(bn, conv, x)

    return forward


EFFICIENT_EVAL = Change(
    name='efficient_conv_bn_eval',
    effect=f'{NAME} of mmengine and of mmcv calls SW behind its convolution instead of joining them',
    reason='it asks for the running variance of every _BatchNorm, and a network with SW fails in evaluation',
    package='mmengine, mmcv',
    versions='mmengine 0.10, mmcv 2',
    apply=protect,
    undo=_ORIGINALS.restore,
)
