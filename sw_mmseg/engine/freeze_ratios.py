"""Early stopping of the switches: from some point on the importance ratios stay as they are (Section 4.1).

The paper stops "the training of SN and SW at the 80th epoch for CIFAR and the 30th epoch for ImageNet", after Luo et
al., who found that to reduce overfitting. At those epochs the learning rate is about to fall for the first time and the
networks are far from trained, so what stops has to be the learning of the ratios, not that of the network.

The logits are put back after every step instead of being taken from the optimiser: momentum and weight decay would go
on moving them, and a parameter that stops having a gradient breaks DistributedDataParallel.
"""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from sw_mmseg.adaptation.estimate_switches import switch_logits
from sw_mmseg.models.wrappers import unwrap

__all__ = ['FreezeRatiosHook']


@HOOKS.register_module()
class FreezeRatiosHook(Hook):
    """Keeps every layer's logits at their value after `end` iterations, or epochs with `by_epoch`.

    No state of its own: a resumed run finds the kept values in its checkpoint. A network without switches is left
    alone.

    Args:
        end: how long ratios learn.
        by_epoch: whether `end` counts epochs of an epoch-based loop.

    Raises:
        ValueError: `end` is negative.
    """

    priority = 'ABOVE_NORMAL'  # before hooks that log or save

    def __init__(self, end: int, by_epoch: bool = False) -> None:
        if end < 0:
            raise ValueError(f'end must not be negative, got {end}')
        self.end, self.by_epoch = end, by_epoch
        self._kept: list[tuple[Tensor, Tensor]] | None = None

    def before_train(self, runner: Runner) -> None:
        """A second training of the same hook starts afresh."""
        self._kept = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Remembers the logits when their time is over."""
        if self._kept is None and (runner.epoch if self.by_epoch else runner.iter) >= self.end:
            model = unwrap(runner.model)
            logits = switch_logits(model)
            self._kept = [(parameter, parameter.detach().clone()) for parameter in logits]
            if logits:
                runner.logger.info(f'importance ratios stop learning: {len(logits)} sets of them')

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Puts them back."""
        with torch.no_grad():
            for parameter, value in self._kept or ():
                parameter.copy_(value)
