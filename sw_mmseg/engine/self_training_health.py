"""Are pseudo-labels healthy? What can be seen without truth; against truth, see pseudo_accuracy.py."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.adaptation import SelfTrainingLog
from sw_mmseg.engine.health import HealthHook, sees_one_class

__all__ = ['SelfTrainingHealthHook']


@HOOKS.register_module()
class SelfTrainingHealthHook(HealthHook[SelfTrainingLog]):
    """Warns when a teacher sees one class everywhere, is sure of nothing, or of everything, for long; of the first two
    also at the end; stops at NaN.

    Args:
        window, interval, patience: of `HealthHook`.
        nothing: a mean share of confident pixels up to here is called none.
        everything: a mean share from here on is called all.
        classes: a mean number of classes a batch up to here is called one class, see `sees_one_class`.
    """

    log_type = SelfTrainingLog

    def __init__(
        self,
        window: int = 500,
        interval: int = 500,
        nothing: float = 0.01,
        everything: float = 0.99,
        classes: float = 1.5,
        patience: int = 1000,
    ) -> None:
        super().__init__(window, interval, patience)
        if not 0 <= nothing < everything <= 1 or classes < 1:
            raise ValueError(
                'nothing and everything must be ascending in [0, 1], classes at least 1; got '
                f'{nothing}, {everything}, {classes}'
            )
        self.nothing, self.everything, self.classes = nothing, everything, classes

    def judge(self, runner: Runner, looks: Sequence[SelfTrainingLog]) -> None:
        """Says how the pseudo-labels are, as a warning where they are of no use."""
        verdict = self.verdict(runner, looks)
        text = (
            f'pseudo-labels: {looks[0].pseudo_share:.3f} of the pixels confident, {looks[0].pseudo_classes:.1f} '
            'classes a batch'
        )
        runner.logger.log(
            logging.WARNING if verdict else logging.INFO, f'{text} (means of {self.window} iterations){verdict}'
        )

    def verdict(self, runner: Runner, looks: Sequence[SelfTrainingLog]) -> str:
        """What is wrong and what to do, or ''."""
        is_one = sees_one_class(runner, self.classes)
        one = [is_one(float(look.pseudo_classes)) for look in looks]
        nothing = [bool(look.pseudo_share <= self.nothing) for look in looks]
        everything = [bool(look.pseudo_share >= self.everything) for look in looks]
        last = self.is_last(runner)
        if self.is_due(nothing) or nothing[0] and last:
            return (
                f': the teacher is sure of nothing, for {self.lasted(nothing)} iterations, so the target teaches '
                'nothing. Train longer or lower threshold'
            )
        if self.is_due(one) or one[0] and last:
            return (
                f': for {self.lasted(one)} iterations they have collapsed to one class. Lengthen warmup, lower '
                'target_weight or sample rare classes of the source (rare_class_sampling)'
            )
        if self.is_due(everything):
            return (
                f': the teacher is sure of everything, its mistakes included, for {self.lasted(everything)} '
                'iterations. Raise threshold, or look whether its labels make sense'
            )
        return ''
