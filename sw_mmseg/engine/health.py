"""Is a training healthy? Says so in the log when it is not, and stops when a loss is no number.

`HealthHook` does the latter for every method; a method's own hook adds what degenerates there. A warning asks for
something to be done, so it waits until a state has lasted: every network from scratch sees one class at first, and
every discriminator begins at chance.

A healthy discriminator is right more often than not but not always: its vanilla loss lies between 0.2 and 0.5 while the
segmentor's adversarial loss rises. If it has never been better than chance (0.693 = ln 2), it has nothing to teach; if
it was, and no longer is, the domains have come to look alike, which is the aim. If it is always right, its gradient, as
far as the segmentor sees it, fades.

In a run shorter than the patience nothing is said of a discriminator: it may still learn, and there is nothing to do
but to train for longer. That predictions have collapsed, or that a teacher is sure of nothing, is said at the end of
any run of 100 iterations or more, since its checkpoint is of no use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.adaptation import AdversarialLog, StepLog

__all__ = ['DiscriminatorHealthHook', 'HealthHook', 'NonFiniteLossError', 'sees_one_class']

SHORTEST = 100  # iterations of a run that is judged; what is shorter is a trial

LogT = TypeVar('LogT', bound=StepLog)


class NonFiniteLossError(RuntimeError):
    """A logged value is NaN or infinite: nothing after this point can be used."""


@HOOKS.register_module()
class HealthHook(Hook, Generic[LogT]):
    """Reads what the training step logged. Keeps no state: means come from the log's history, which is resumed.

    Args:
        window: iterations of the running means; at most half of the run.
        interval: iterations between two looks at them; at most half of the run.
        patience: iterations that a state must have lasted before it is warned of; then again each time that it has
            lasted twice as long.

    Raises:
        TypeError: at the first iteration, if the method's log has not what the hook reads.
    """

    log_type: type[LogT] | None = None  # what a method's own hook judges

    def __init__(self, window: int = 500, interval: int = 500, patience: int = 1000) -> None:
        if not (window > 0 and interval > 0 and patience > 0):
            raise ValueError(f'window, interval and patience must be positive, got {window}, {interval}, {patience}')
        self.window, self.interval, self.patience = window, interval, patience

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
                    'before this iteration are intact'
                )
        if self.log_type is None:
            return
        if not isinstance(outputs, self.log_type):
            raise TypeError(
                f'{type(self).__name__} reads a {self.log_type.__name__}, and the training step of this '
                f'method returns a {type(outputs).__name__}: give it the hook of its own method, or '
                'HealthHook'
            )
        self._fit(runner)
        if (runner.iter + 1) % self.interval == 0 and runner.iter + 1 >= self.window:
            self.judge(runner, self.looks(runner, outputs))

    def _fit(self, runner: Runner) -> None:
        """A run that is shorter than two windows is looked at twice, unless it is a trial."""
        length = getattr(runner, 'max_iters', None) or 0
        if length >= SHORTEST:
            self.window, self.interval = min(self.window, length // 2), min(self.interval, length // 2)

    def looks(self, runner: Runner, log: LogT) -> list[LogT]:
        """The log's means over the window now, and at every look before, the newest first."""
        histories = {name: runner.message_hub.get_scalar(f'train/{name}').data[0] for name in log}
        known = min(map(len, histories.values()))

        def means(end: int) -> LogT:
            return log.with_values(lambda name: float(histories[name][end - self.window : end].mean()))

        return [means(-back or known) for back in range(0, max(1, known + 1 - self.window), self.interval)]

    def lasted(self, states: Sequence[bool]) -> int:
        """Iterations that a state has lasted: of all looks, the newest first, those before the first without it."""
        count = next((index for index, state in enumerate(states) if not state), len(states))
        return (count - 1) * self.interval + self.window if count else 0

    def is_due(self, states: Sequence[bool]) -> bool:
        """Whether a state has just lasted for the patience, or for twice, four times, ... as long."""
        now, before = (self.lasted(part) // self.patience for part in (states, states[1:]))
        return bool(states[0]) and now.bit_length() > before.bit_length()

    def is_last(self, runner: Runner) -> bool:
        """Whether the training ends before the next look."""
        return runner.iter + 1 + self.interval > (getattr(runner, 'max_iters', None) or math.inf)

    def judge(self, runner: Runner, looks: Sequence[LogT]) -> None:
        """For a method's own hook: the log's means over the window, now and at every look before."""


@HOOKS.register_module()
class DiscriminatorHealthHook(HealthHook[AdversarialLog]):
    """Is the adversarial game healthy? Warns of a discriminator that never learned, and of one that is always right.

    Args:
        window, interval, patience: of `HealthHook`.
        chance: a mean accuracy within this distance of 0.5 is called chance.
        certain: a mean accuracy from here on is called certain.
    """

    log_type = AdversarialLog

    def __init__(
        self, window: int = 500, interval: int = 500, chance: float = 0.02, certain: float = 0.995, patience: int = 1000
    ) -> None:
        super().__init__(window, interval, patience)
        if not 0 <= chance < 0.5 < certain <= 1:
            raise ValueError(f'needs chance in [0, 0.5) and certain in (0.5, 1], got {chance}, {certain}')
        self.chance, self.certain = chance, certain

    def judge(self, runner: Runner, looks: Sequence[AdversarialLog]) -> None:
        """Of the discriminator of each level."""
        for head, level in looks[0].levels.items():
            accuracies = [
                float(look.levels[head].dis_acc_source + look.levels[head].dis_acc_target) / 2 for look in looks
            ]
            text = (
                f'{looks[0].prefix(head)}discriminator: accuracy {level.dis_acc_source:.3f} on source, '
                f'{level.dis_acc_target:.3f} on target, loss {level.loss_dis:.3f}, adversarial loss '
                f'{level.loss_adv:.3f} (means of {self.window} iterations)'
            )
            at_chance = [abs(accuracy - 0.5) <= self.chance for accuracy in accuracies]
            certain = [accuracy >= self.certain for accuracy in accuracies]
            if all(at_chance) and self.is_due(at_chance):
                runner.logger.warning(
                    f'{text}: at chance since the training began, {self.lasted(at_chance)} '
                    'iterations long, so it teaches the segmentor nothing. Raise its learning rate '
                    'or lower lambda_adv'
                )
            elif self.is_due(certain):
                runner.logger.warning(
                    f'{text}: always right for {self.lasted(certain)} iterations, so little gradient '
                    'is left for the segmentor. Lower its learning rate, raise lambda_adv or use '
                    'the least-squares loss'
                )
            else:
                runner.logger.info(text)


def sees_one_class(runner: Runner, limit: float) -> Callable[[float], bool]:
    """Whether a mean number of classes a batch is one class: at most `limit`, and nearer to 1 the fewer classes there
    are, since batches of few classes show one now and then: 1.05 of two classes, 1.5 of eleven."""
    loader = getattr(runner, 'train_dataloader', None)
    classes = (getattr(getattr(loader, 'dataset', None), 'metainfo', None) or {}).get('classes')
    highest = min(limit, 1 + (len(classes) - 1) / 20) if classes else limit
    return lambda mean: mean <= highest
