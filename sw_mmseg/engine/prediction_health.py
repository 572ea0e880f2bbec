"""Do predictions on the target still tell classes apart? A method that only asks for decided ones can do without."""

from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.engine.health import HealthHook

__all__ = ['PredictionHealthHook']

CLASSES = 'target_classes'


@HOOKS.register_module()
class PredictionHealthHook(HealthHook):
    """Warns when the network sees one class all over the target; stops at NaN.

    Args:
        window, interval: of `HealthHook`.
        classes: a mean number of classes a batch up to here is called one class.
    """

    def __init__(self, window: int = 500, interval: int = 500, classes: float = 1.5) -> None:
        super().__init__(window, interval)
        if classes < 1:
            raise ValueError(f'classes must be at least 1, got {classes}')
        self.classes = classes

    def judge(self, runner: Runner, names: list[str]) -> None:
        """Looks at the number of classes that the step logged, if it did."""
        if CLASSES in names and (mean := self.mean(runner, CLASSES)) <= self.classes:
            runner.logger.warning(f'predictions on the target: {mean:.1f} classes a batch (mean of {self.window} '
                                  'iterations): they have collapsed to one class. Start from a checkpoint of '
                                  'source-only training (load_from), or lower lambda_ent or lambda_adv')
