"""Is the adversarial game healthy? Says so in the log when it is not, and stops when a loss is no number.

Healthy is a discriminator that is right more often than not but not always: its vanilla loss lies between 0.2 and 0.5
while the segmentor's adversarial loss rises. At an accuracy of 0.5 it has nothing to teach; at 1.0 its gradient, as
far as the segmentor sees it, fades.
"""

import math

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

ACCURACY = 'dis_acc_source'


class NonFiniteLossError(RuntimeError):
    """A logged value is NaN or infinite: nothing after this point can be used."""


@HOOKS.register_module()
class DiscriminatorHealthHook(Hook):
    """Reads what the training step logged. Keeps no state: means come from the log's history, which is resumed.

    Args:
        window: iterations of the running means.
        interval: iterations between two looks at them.
        chance: a mean accuracy within this distance of 0.5 is called chance.
        certain: a mean accuracy from here on is called certain.
    """

    def __init__(self, window: int = 500, interval: int = 500, chance: float = 0.02, certain: float = 0.995) -> None:
        if not (window > 0 and interval > 0 and 0 <= chance < 0.5 < certain <= 1):
            raise ValueError('window and interval must be positive, chance in [0, 0.5), certain in (0.5, 1]; got '
                             f'{window}, {interval}, {chance}, {certain}')
        self.window, self.interval, self.chance, self.certain = window, interval, chance, certain

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Raises NonFiniteLossError; warns when a running mean is out of health."""
        for name in outputs or {}:
            value = runner.message_hub.get_scalar(f'train/{name}').current()
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f'{name} is {value} at iteration {runner.iter + 1}. Lower the learning rate, lengthen the warm-up, '
                    "or clip gradients with clip_grad=dict(max_norm=10) in the optim_wrapper's section; checkpoints "
                    'before this iteration are intact')
        if (runner.iter + 1) % self.interval == 0 and runner.iter + 1 >= self.window:
            for name in outputs or {}:
                if name.endswith(ACCURACY):
                    self._judge(runner, name[:-len(ACCURACY)])

    def _judge(self, runner: Runner, level: str) -> None:
        def mean(name: str) -> float:
            return float(runner.message_hub.get_scalar(f'train/{level}{name}').mean(self.window))

        source, target = mean('dis_acc_source'), mean('dis_acc_target')
        accuracy = (source + target) / 2
        text = (f'{level}discriminator: accuracy {source:.3f} on source, {target:.3f} on target, loss '
                f'{mean("loss_dis"):.3f}, adversarial loss {mean("loss_adv"):.3f} (means of {self.window} iterations)')
        if abs(accuracy - 0.5) <= self.chance:
            runner.logger.warning(f'{text}: at chance, it teaches the segmentor nothing. Raise its learning rate or '
                                  'lower lambda_adv')
        elif accuracy >= self.certain:
            runner.logger.warning(f'{text}: always right, little gradient is left for the segmentor. Lower its '
                                  'learning rate, raise lambda_adv or use the least-squares loss')
        else:
            runner.logger.info(text)
