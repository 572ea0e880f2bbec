"""One process at a time works in a folder: a second one would write over what the first one writes, unseen."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sw_mmseg.running.errors import UserError

__all__ = ['alone_in']

PATIENCE = 5.0  # seconds: workers of a process that was killed have its lock until they end


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Inside, no other process is in `folder` that asks, as this one does. It ends with the process, however that dies.

    The folder is made, and goes where nothing was written to it. Nobody is kept out where there are no such locks: on
    Windows, and in some file systems. A folder that cannot be made or opened is left to whoever writes to it.

    Raises:
        UserError: another process is in it.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _lock(handle, folder)
        yield
    finally:
        _unlock(handle)
        if made:
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()


def _lock(handle: int, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not _locked(handle):
        if time.monotonic() > end:
            raise UserError(
                f'another process is at work in {folder}: wait until it ends, stop it, or give another folder'
            )
        time.sleep(0.1)


def _locked(handle: int) -> bool:
    """Whether the lock is this process's now, or there are no locks here."""
    try:
        import fcntl  # of Unix alone

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def _unlock(handle: int) -> None:
    """Also for processes that were forked meanwhile, such as loaders' workers, which have the same lock."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
