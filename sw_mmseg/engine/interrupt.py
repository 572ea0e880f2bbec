"""Ctrl-C, or a scheduler's SIGTERM, leaves a checkpoint from which `--resume` goes on exactly.

A signal may come at any instruction, and halfway through an iteration there is no state worth saving. The hook
therefore only remembers it, lets the iteration end, saves what mmengine resumes from (weights, optimisers, schedules,
counters, random states, logs) and stops the loop. Where only some checkpoints are kept, `SafeCheckpointHook` deletes
this one once it has written its next. A second signal, two seconds or more after the first, stops at once, unsaved; one
within two seconds is the same signal, which launchers forward to processes that already got it.

Departures from what one may expect: a validation under way is finished first; an epoch-based loop stops at the end of
its epoch, because mmengine cannot resume inside one.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from sw_mmseg.engine.random_states import remember_random_states
from sw_mmseg.files import whole_file

__all__ = ['INTERRUPTED', 'InterruptHook']

INTERRUPTED = 'interrupt_checkpoints'  # names of those that were left, where a run keeps its information
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_SIGNAL_SECONDS = 2.0


@HOOKS.register_module()
class InterruptHook(Hook):
    """Saves and stops at the next boundary after SIGINT or SIGTERM.

    Args:
        interval: with several processes, iterations between two agreements whether one of them was interrupted (each
            costs an all-reduce of one number). A single process looks after every iteration.

    `signum` is the signal that stopped the run, `None` if none did.
    """

    priority = 'LOWEST'  # behind the schedulers and the checkpoint hook: the iteration is complete

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1, not {interval}')
        self.interval = interval
        self.signum: int | None = None
        self._since = 0.0
        self._owner = os.getpid()
        self._previous: dict[int, object] = {}

    def before_train(self, runner: Runner) -> None:
        """Take the signals over; outside the main thread Python does not allow it, and the run goes on without."""
        self.signum, self._owner = None, os.getpid()
        try:
            self._previous = {number: signal.signal(number, self._remember) for number in SIGNALS}
        except ValueError:
            runner.logger.warning('Not in the main thread: an interrupt will not leave a checkpoint.')

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            return  # a data loader's worker, which inherited the handler: its main process decides
        now = time.monotonic()
        if self.signum is None:
            self.signum, self._since = number, now
            os.write(2, b'\nInterrupted: finishing the iteration, then saving. Once more stops at once, unsaved.\n')
        elif now - self._since >= SAME_SIGNAL_SECONDS:
            raise KeyboardInterrupt

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Iteration-based loops: save and stop behind an iteration."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            return
        if self._agreed(runner.iter + 1):
            self._save(runner, f'iter_{runner.iter + 1}.pth', by_epoch=False)

    def after_train_epoch(self, runner: Runner) -> None:
        """Epoch-based loops: save and stop behind an epoch."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop) and self._agreed(0):
            self._save(runner, f'epoch_{runner.epoch + 1}.pth', by_epoch=True)

    def after_train(self, runner: Runner) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _agreed(self, step: int) -> bool:
        """Whether any process was interrupted; every process gets the same answer at the same step."""
        if get_world_size() == 1:
            return self.signum is not None
        if step % self.interval:
            return False
        number = torch.tensor(float(self.signum or 0))
        all_reduce(number, op='max')
        self.signum = int(number) or None
        return self.signum is not None

    def _save(self, runner: Runner, name: str, by_epoch: bool) -> None:
        folder = Path(runner.work_dir)
        remember_random_states(runner)
        if not (folder / name).exists():  # else a regular one, of this very step
            before = runner.message_hub.runtime_info.get(INTERRUPTED, [])
            runner.message_hub.update_info(INTERRUPTED, [*before, name])
        runner.save_checkpoint(str(folder), name, by_epoch=by_epoch)
        if is_main_process():
            with whole_file(folder / 'last_checkpoint') as part:
                part.write_text(str(folder / name))
        runner.logger.info(f'Interrupted by {signal.Signals(self.signum).name}: saved {folder / name}')
        runner.train_loop.stop_training = True
