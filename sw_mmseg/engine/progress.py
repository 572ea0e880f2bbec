"""One line that shows how far a training is and how long it will take; the full log stays in its file.

On a terminal the line is rewritten in place; elsewhere (a file, a pipe) a line is written every quarter of the run.
Programs that train several networks one after the other use it in place of mmengine's log lines.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

__all__ = ['ProgressHook', 'duration']

BAR = 24


def duration(seconds: float) -> str:
    """'9 s', '1 min 05 s', '2 h 03 min'."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f'{seconds} s'
    if seconds < 3600:
        return f'{seconds // 60} min {seconds % 60:02d} s'
    return f'{seconds // 3600} h {seconds % 3600 // 60:02d} min'


@HOOKS.register_module()
class ProgressHook(Hook):
    """Writes the progress line of an iteration-based training.

    Args:
        label: what is being trained.
        stream: where to; standard error if not given.
        refresh: seconds between two updates on a terminal.
    """

    priority = 'VERY_LOW'

    def __init__(self, label: str = '', stream: TextIO | None = None, refresh: float = 0.25) -> None:
        self.label, self.refresh = label, refresh
        self.stream = sys.stderr if stream is None else stream
        self._begin = self._shown = 0.0
        self._first = 0

    def before_train(self, runner: Runner) -> None:
        """Start the clock; a resumed run counts its own iterations only."""
        self._begin, self._shown, self._first = time.monotonic(), 0.0, runner.iter

    @master_only
    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Update the line when it is due."""
        done, total, now = runner.iter + 1, runner.max_iters, time.monotonic()
        if self.stream.isatty():
            if now - self._shown >= self.refresh or done == total:
                self._shown = now
                self.stream.write('\r' + self.line(done, total, now - self._begin) + '\x1b[K')
        elif done == total or (4 * done) // total > (4 * (done - 1)) // total:
            self.stream.write(self.line(done, total, now - self._begin) + '\n')
        self.stream.flush()

    def line(self, done: int, total: int, elapsed: float) -> str:
        """The line's text; `elapsed` seconds were spent on the iterations since the start or the resume."""
        filled = BAR * done // total
        left = elapsed / max(1, done - self._first) * (total - done)
        time_text = f'{duration(left)} left' if done < total else duration(elapsed)
        return f'{self.label:<28} {"━" * filled}{"─" * (BAR - filled)} {done}/{total} · {time_text}'

    @master_only
    def after_train(self, runner: Runner) -> None:
        """End the line."""
        if self.stream.isatty():
            self.stream.write('\n')
