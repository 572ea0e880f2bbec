"""Do predictions on the target still tell classes apart? A method that only asks for decided ones can do without."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.adaptation import TargetLog
from sw_mmseg.engine.health import HealthHook, sees_one_class

__all__ = ['PredictionHealthHook']


@HOOKS.register_module()
class PredictionHealthHook(HealthHook[TargetLog]):
    """Warns when the network sees one class all over the target, for long or at the end; stops at NaN.

    Args:
        window, interval, patience: of `HealthHook`.
        classes: a mean number of classes a batch up to here is called one class, see `sees_one_class`.
    """

    log_type = TargetLog

    def __init__(self, window: int = 500, interval: int = 500, classes: float = 1.5, patience: int = 1000) -> None:
        super().__init__(window, interval, patience)
        if classes < 1:
            raise ValueError(f'classes must be at least 1, got {classes}')
        self.classes = classes

    def judge(self, runner: Runner, looks: Sequence[TargetLog]) -> None:
        """Of the number of classes that the step logged."""
        is_one = sees_one_class(runner, self.classes)
        states = [is_one(float(look.target_classes)) for look in looks]
        if self.is_due(states) or states[0] and self.is_last(runner):
            runner.logger.warning(
                f'predictions on the target: {looks[0].target_classes:.1f} classes a batch (mean of '
                f'{self.window} iterations), for {self.lasted(states)} iterations: they have '
                'collapsed to one class. Start from a checkpoint of source-only training '
                '(load_from), or lower lambda_ent or lambda_adv'
            )
