"""One process at a time works in a folder: a second one would write over what the first one writes, unseen."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sw_mmseg.running.errors import UserError

__all__ = ['alone_in']

PATIENCE = 5.0  # seconds: a process that was just stopped may have files to write
_HANDLES: set[int] = set()  # of folders whose locks this process has


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Inside, no other process is in `folder` that asks, as this one does. It ends with the process, however that dies;
    processes that it forks, such as loaders' workers, do not have the lock.

    The folder is made, and goes where nothing was written to it. Nobody is kept out where there are no such locks: on
    Windows, and in some file systems. A folder that cannot be made or opened is left to whoever writes to it.

    Raises:
        UserError: another process is in it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    _forget_in_children()
    try:
        handle = _locked_handle(folder)
    except OSError:
        handle = None
    try:
        yield
    finally:
        if handle is None or handle in _HANDLES:  # else this is a child, which goes the way of its parent
            _remove_empty(made)
        if handle in _HANDLES:
            _unlock(handle)


def _locked_handle(folder: Path) -> int:
    """Raises OSError where the folder cannot be made or opened, UserError where another process has its lock."""
    end = time.monotonic() + PATIENCE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        locked = _lock(handle)
        late = time.monotonic() > end
        if locked and (late or _is_at(handle, folder)):
            _HANDLES.add(handle)
            return handle
        os.close(handle)
        if late:
            raise UserError(
                f'another process is at work in {folder}: wait until it ends, stop it, or give another folder'
            )
        time.sleep(0.1)


def _lock(handle: int) -> bool:
    """Whether the lock is this process's now, or there are no locks here."""
    try:
        import fcntl  # of Unix alone

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def _is_at(handle: int, folder: Path) -> bool:
    """Not of a folder that the process which had the lock has removed or moved, and perhaps made anew."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder))
    except OSError:
        return False


def _unlock(handle: int) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)
    _HANDLES.discard(handle)
    os.close(handle)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()


@cache
def _forget_in_children() -> None:
    """A child that outlives this process, as one that waits for a slow disk, would keep others out."""
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    while _HANDLES:
        os.close(_HANDLES.pop())
