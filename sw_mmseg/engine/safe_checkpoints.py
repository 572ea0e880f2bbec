"""The checkpoint hook of all configs: whatever stops a training, there is a whole checkpoint to go on from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from sw_mmseg.engine.interrupt import INTERRUPTED
from sw_mmseg.engine.random_states import (
    other_number_of_processes,
    random_states,
    recall_random_states,
    remember_random_states,
    set_random_states,
)
from sw_mmseg.models.wrappers import unwrap

__all__ = ['SafeCheckpointHook']


class _LaterRemovals:
    """A file backend whose removals wait until they are asked for."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.waiting: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.waiting.append(partial(self.backend.remove, path))

    def rmtree(self, path: str) -> None:
        self.waiting.append(partial(self.backend.rmtree, path))


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's hook, which deletes an old checkpoint before it writes the new one; this one deletes it afterwards.

    With `max_keep_ckpts=1` a run that is killed in between, or whose disk is full, would have nothing to go on from.
    One checkpoint more than is kept needs room on the disk meanwhile. What interrupts left is deleted with the next
    checkpoint, unless all are kept. Arguments are those of mmengine's.

    A resumed run draws the random numbers that it would have drawn: checkpoints hold the random states of all
    processes. They are put back when the first batch is there, since a data loader draws a number when it starts; a
    loader that starts anew every epoch starts behind them. Validation, which starts loaders too, leaves them as they
    were.
    """

    _saved: dict[str, Any] | None = None  # to be put back
    _before_val: dict[str, Any] | None = None

    def before_train(self, runner: Runner) -> None:
        """Also clears away what a killed run was writing, and says where another number of processes goes on. A run
        that begins, from the weights of another too (`load_from`), has its own seed and its own warm-up."""
        super().before_train(runner)
        if runner.iter == 0 and hasattr(unwrap(runner.model), 'restart'):
            unwrap(runner.model).restart()
        if is_main_process():
            for part in Path(runner.work_dir).glob('.*.part.pth'):
                part.unlink(missing_ok=True)
        self._saved = recall_random_states(runner)
        if is_main_process() and (text := other_number_of_processes(runner)):
            runner.logger.warning(text)

    def before_train_epoch(self, runner: Runner) -> None:
        """Puts random states back where the loader starts with the epoch."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop) and not runner.train_dataloader.persistent_workers:
            self._put_back()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Puts random states back where the loader has started."""
        self._put_back()

    def before_val(self, runner: Runner) -> None:
        """Remembers the random states of training."""
        self._before_val = random_states()

    def after_val(self, runner: Runner) -> None:
        """Training draws on as if nothing had been validated."""
        if self._before_val is not None:
            set_random_states(self._before_val)
        self._before_val = None

    def _put_back(self) -> None:
        if self._saved is not None:
            set_random_states(self._saved)
        self._saved = None

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        remember_random_states(runner, self._before_val)
        some = self.max_keep_ckpts > 0
        left = runner.message_hub.runtime_info.pop(INTERRUPTED, []) if some else []
        with self._removing_later():
            super()._save_checkpoint_with_step(runner, step, meta)
        if left and is_main_process():
            kept = {self.filename_tmpl.format(number) for number in self.keep_ckpt_ids}
            for name in set(left) - kept:
                (Path(runner.work_dir) / name).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self._removing_later():
            super()._save_best_checkpoint(runner, metrics)

    @contextlib.contextmanager
    def _removing_later(self) -> Iterator[None]:
        if isinstance(self.file_backend, _LaterRemovals):  # one of the two calls the other
            yield
            return
        backend, self.file_backend = self.file_backend, _LaterRemovals(self.file_backend)
        try:
            yield
            waiting = self.file_backend.waiting
        finally:
            self.file_backend = backend
        for remove in waiting:
            remove()
