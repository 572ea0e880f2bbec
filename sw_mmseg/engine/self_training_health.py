"""Are pseudo-labels healthy? What can be seen without truth; against truth, see pseudo_accuracy.py."""

from __future__ import annotations

import logging

from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.adaptation import SelfTrainingLog
from sw_mmseg.engine.health import HealthHook

__all__ = ['SelfTrainingHealthHook']


@HOOKS.register_module()
class SelfTrainingHealthHook(HealthHook[SelfTrainingLog]):
    """Warns when a teacher sees one class everywhere, is sure of nothing, or of everything; stops at NaN.

    Args:
        window, interval: of `HealthHook`.
        nothing: a mean share of confident pixels up to here is called none.
        everything: a mean share from here on is called all.
        classes: a mean number of classes a batch up to here is called one class.
    """

    log_type = SelfTrainingLog

    def __init__(self, window: int = 500, interval: int = 500, nothing: float = 0.01, everything: float = 0.99,
                 classes: float = 1.5) -> None:
        super().__init__(window, interval)
        if not 0 <= nothing < everything <= 1 or classes < 1:
            raise ValueError('nothing and everything must be ascending in [0, 1], classes at least 1; got '
                             f'{nothing}, {everything}, {classes}')
        self.nothing, self.everything, self.classes = nothing, everything, classes

    def judge(self, runner: Runner, means: SelfTrainingLog) -> None:
        """Says how the pseudo-labels are, as a warning where they are of no use."""
        share, classes = float(means.pseudo_share), float(means.pseudo_classes)
        verdict = self.verdict(share, classes)
        text = f'pseudo-labels: {share:.3f} of the pixels confident, {classes:.1f} classes a batch'
        runner.logger.log(logging.WARNING if verdict else logging.INFO,
                          f'{text} (means of {self.window} iterations){verdict}')

    def verdict(self, share: float, classes: float) -> str:
        """What is wrong and what to do, or ''."""
        if classes <= self.classes:
            return (': they have collapsed to one class. Lengthen warmup, lower target_weight or sample rare classes '
                    'of the source (rare_class_sampling)')
        if share <= self.nothing:
            return ': the teacher is sure of nothing, so the target teaches nothing. Train longer or lower threshold'
        if share >= self.everything:
            return (': the teacher is sure of everything, its mistakes included. Raise threshold, or look whether its '
                    'labels make sense')
        return ''
