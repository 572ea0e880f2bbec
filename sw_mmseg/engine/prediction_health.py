"""Do predictions on the target still tell classes apart? A method that only asks for decided ones can do without."""

from __future__ import annotations

from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.adaptation import TargetLog
from sw_mmseg.engine.health import HealthHook

__all__ = ['PredictionHealthHook']


@HOOKS.register_module()
class PredictionHealthHook(HealthHook[TargetLog]):
    """Warns when the network sees one class all over the target; stops at NaN.

    Args:
        window, interval: of `HealthHook`.
        classes: a mean number of classes a batch up to here is called one class.
    """

    log_type = TargetLog

    def __init__(self, window: int = 500, interval: int = 500, classes: float = 1.5) -> None:
        super().__init__(window, interval)
        if classes < 1:
            raise ValueError(f'classes must be at least 1, got {classes}')
        self.classes = classes

    def judge(self, runner: Runner, means: TargetLog) -> None:
        """Looks at the number of classes that the step logged."""
        if means.target_classes <= self.classes:
            runner.logger.warning(f'predictions on the target: {means.target_classes:.1f} classes a batch (mean of '
                                  f'{self.window} iterations): they have collapsed to one class. Start from a '
                                  'checkpoint of source-only training (load_from), or lower lambda_ent or lambda_adv')
