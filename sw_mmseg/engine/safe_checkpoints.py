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
from mmengine.runner import Runner

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
    One checkpoint more than is kept needs room on the disk meanwhile. Arguments are those of mmengine's.
    """

    def before_train(self, runner: Runner) -> None:
        """Also clears away what a killed run was writing."""
        super().before_train(runner)
        if is_main_process():
            for part in Path(runner.work_dir).glob('.*.part.pth'):
                part.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        with self._removing_later():
            super()._save_checkpoint_with_step(runner, step, meta)

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
