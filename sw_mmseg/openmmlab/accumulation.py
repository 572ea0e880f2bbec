"""Several backward passes in one iteration of an optimiser wrapper, through its private counter.

A wrapper of mmengine counts every backward as an iteration, of which `accumulative_counts` make an update. A backward
that is a part of an iteration has to be taken off the count again, and there is no public way to do that.
"""

from __future__ import annotations

from mmengine.optim import OptimWrapper
from torch import Tensor

from sw_mmseg.openmmlab.change import Change

__all__ = ['ACCUMULATION', 'accumulate']


def accumulate(wrapper: OptimWrapper, loss: Tensor) -> None:
    """Adds the gradient of `loss` to the update that the wrapper's next `update_params` makes.

    Two backwards keep one graph alive at a time, not two.
    """
    wrapper.backward(wrapper.scale_loss(loss))
    wrapper._inner_count -= 1


ACCUMULATION = Change(
    name='backward passes that are parts of an iteration',
    effect='accumulate() takes one off the private _inner_count of the wrapper that it is given; nothing is replaced',
    reason='a step with two backward passes would count as two iterations, and update too early under '
    'accumulative_counts',
    package='mmengine',
    versions='0.10',
)
