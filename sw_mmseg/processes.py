"""Processes that end with the one that started them, however that one dies: workers of data loaders and of pools, and
the processes of one training.

A process that is killed tells its children nothing. A worker that waits for work, or for room in a pipe that nobody
empties, would wait for ever, with all its memory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

__all__ = ['end_with_launcher', 'end_with_parent']

LOOK_SECONDS = 0.5
GRACE_SECONDS = 60.0  # for a training to save


def end_with_parent() -> None:
    """Called in a worker that `multiprocessing` started: it ends within a second of its parent, at any place.

    A thread asks who the parent is. Where systems have no such answer (Windows), it waits for the parent instead. In a
    process that `multiprocessing` did not start, nothing happens.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if os.name == 'posix':
        number = parent.pid
        _watch(lambda: os.getppid() != number, _die)
    else:
        _watch(lambda: not parent.is_alive(), _die)


def end_with_launcher() -> None:
    """Called in one of several processes of a training: when their launcher is gone, it saves and stops as after
    SIGTERM, and is ended a minute later if it has not. Nothing on Windows, which tells nobody that a parent is gone."""
    if os.name == 'posix':
        number = os.getppid()
        _watch(lambda: os.getppid() != number, _stop)


def _watch(gone: Callable[[], bool], end: Callable[[], None]) -> None:
    def watch() -> None:
        while not gone():
            time.sleep(LOOK_SECONDS)
        end()

    threading.Thread(target=watch, name='ends with its parent', daemon=True).start()


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _die()


def _die() -> None:
    """At once: whatever waits at the end of a process, such as a queue for its reader, would wait for ever."""
    os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))
