"""Is a training healthy? Says so in the log when it is not, and stops when a loss is no number.

`HealthHook` does the latter for every method; a method's own hook adds what degenerates there. A healthy discriminator
is right more often than not but not always: its vanilla loss lies between 0.2 and 0.5 while the segmentor's adversarial
loss rises. At an accuracy of 0.5 it has nothing to teach; at 1.0 its gradient, as far as the segmentor sees it, fades.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Generic, TypeVar

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.adaptation import AdversarialLog, StepLog

__all__ = ['DiscriminatorHealthHook', 'HealthHook', 'NonFiniteLossError']

LogT = TypeVar('LogT', bound=StepLog)


class NonFiniteLossError(RuntimeError):
    """A logged value is NaN or infinite: nothing after this point can be used."""


@HOOKS.register_module()
class HealthHook(Hook, Generic[LogT]):
    """Reads what the training step logged. Keeps no state: means come from the log's history, which is resumed.

    Args:
        window: iterations of the running means.
        interval: iterations between two looks at them.

    Raises:
        TypeError: at the first iteration, if the method's log has not what the hook reads.
    """

    log_type: type[LogT] | None = None  # what a method's own hook judges

    def __init__(self, window: int = 500, interval: int = 500) -> None:
        if not (window > 0 and interval > 0):
            raise ValueError(f'window and interval must be positive, got {window}, {interval}')
        self.window, self.interval = window, interval

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: Mapping | None = None
    ) -> None:
        """Raises NonFiniteLossError; lets the method's hook judge the running means when that is due."""
        for name in outputs or {}:
            value = runner.message_hub.get_scalar(f'train/{name}').current()
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f'{name} is {value} at iteration {runner.iter + 1}. Lower the learning rate, lengthen the warm-up, '
                    "or clip gradients with clip_grad=dict(max_norm=10) in the optim_wrapper's section; checkpoints "
                    'before this iteration are intact')
        if self.log_type is None:
            return
        if not isinstance(outputs, self.log_type):
            raise TypeError(f'{type(self).__name__} reads a {self.log_type.__name__}, and the training step of this '
                            f'method returns a {type(outputs).__name__}: give it the hook of its own method, or '
                            'HealthHook')
        if (runner.iter + 1) % self.interval == 0 and runner.iter + 1 >= self.window:
            self.judge(runner, outputs.with_values(
                lambda name: runner.message_hub.get_scalar(f'train/{name}').mean(self.window)))

    def judge(self, runner: Runner, means: LogT) -> None:
        """For a method's own hook: looks at the log's means over the window."""


@HOOKS.register_module()
class DiscriminatorHealthHook(HealthHook[AdversarialLog]):
    """Is the adversarial game healthy?

    Args:
        window, interval: of `HealthHook`.
        chance: a mean accuracy within this distance of 0.5 is called chance.
        certain: a mean accuracy from here on is called certain.
    """

    log_type = AdversarialLog

    def __init__(self, window: int = 500, interval: int = 500, chance: float = 0.02, certain: float = 0.995) -> None:
        super().__init__(window, interval)
        if not 0 <= chance < 0.5 < certain <= 1:
            raise ValueError(f'needs chance in [0, 0.5) and certain in (0.5, 1], got {chance}, {certain}')
        self.chance, self.certain = chance, certain

    def judge(self, runner: Runner, means: AdversarialLog) -> None:
        """Warns when the discriminator of a level is always or never right."""
        for head, level in means.levels.items():
            accuracy = float(level.dis_acc_source + level.dis_acc_target) / 2
            text = (f'{means.prefix(head)}discriminator: accuracy {level.dis_acc_source:.3f} on source, '
                    f'{level.dis_acc_target:.3f} on target, loss {level.loss_dis:.3f}, adversarial loss '
                    f'{level.loss_adv:.3f} (means of {self.window} iterations)')
            if abs(accuracy - 0.5) <= self.chance:
                runner.logger.warning(f'{text}: at chance, it teaches the segmentor nothing. Raise its learning rate '
                                      'or lower lambda_adv')
            elif accuracy >= self.certain:
                runner.logger.warning(f'{text}: always right, little gradient is left for the segmentor. Lower its '
                                      'learning rate, raise lambda_adv or use the least-squares loss')
            else:
                runner.logger.info(text)
