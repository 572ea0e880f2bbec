"""Builds the C sources beside this file into a shared library, once a machine, and loads it.

It is built at first use, by `cc` (or the command in $CC), into $SW_MMSEG_CACHE, by default ~/.cache/sw_mmseg, under a
name made of all that its code depends on: sources, compiler, flags and the processor's features. So no stale library is
ever loaded. Of processes that need it at the same moment one builds, under a lock on the folder, and the others wait.

A library is code that runs here, so one that somebody else could have written is not loaded: where the folder or the
file belongs to another user, or others may write to it, the library is built anew in a private folder, which is gone
as soon as it is loaded. So it is where the folder cannot be written. A file ends with the digest of all before it,
which no linker reads: one that was cut short or changed is built again before anything of it runs.

The library shares the pool of OpenMP threads that torch has loaded, and asks for as many as torch is set to use.
"""

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch  # noqa: F401  # first of all, so that the library finds torch's OpenMP

__all__ = ['BuildError', 'FLAGS', 'build', 'compiler', 'load']

_LOGGER = logging.getLogger(__name__)
_SOURCES = ('algebra.c', 'passes.c')
_HEADERS = ('blocks.h', 'mixture.h', 'newton.h', 'tiles.h', 'vector.h')
_BUILDING = 'building-'
_LONGEST_BUILD = 300  # seconds
FLAGS = ('-std=gnu11', '-O3', '-march=native', '-fopenmp', '-fPIC', '-shared', '-fvisibility=hidden')


class BuildError(RuntimeError):
    """There is a compiler, and it failed; the text has what it said."""


def compiler() -> list[str] | None:
    """The command of the C compiler, or None where there is none or where this code is not for the system."""
    command = shlex.split(os.environ.get('CC') or 'cc')
    return command if sys.platform.startswith('linux') and command and shutil.which(command[0]) else None


def load(flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """The library. Raises `BuildError` where it cannot be had, also where there is no compiler."""
    command = compiler()
    if command is None:
        raise BuildError(f"no C compiler '{os.environ.get('CC') or 'cc'}' for {sys.platform} here")
    folder = _cache_folder()
    try:
        if folder is not None:
            library = build(folder, command, flags)
            if _is_ours(library):
                return ctypes.CDLL(str(library))
            _say_private(library)
        with tempfile.TemporaryDirectory(prefix='sw_mmseg-') as private:
            return ctypes.CDLL(str(build(Path(private), command, flags)))
    except subprocess.CalledProcessError as error:
        raise BuildError(f'{shlex.join(map(str, error.cmd))} failed: {error.stderr or error}') from error
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(str(error)) from error


def build(folder: Path, command: list[str], flags: tuple[str, ...] = FLAGS) -> Path:
    """The library's file in `folder`, made if need be. Raises `OSError` or `subprocess.SubprocessError`."""
    target = folder / f'whitening-{_key(command, flags)}.so'
    if _is_kept(target):
        return target
    with _locked(folder):
        if _is_kept(target):  # another process has built it meanwhile
            return target
        _remove_leftovers(folder)
        handle, name = tempfile.mkstemp(dir=folder, prefix=_BUILDING, suffix='.so')
        os.close(handle)
        try:
            sources = [str(Path(__file__).with_name(name)) for name in _SOURCES]
            subprocess.run(
                [*command, *flags, *sources, '-o', name, '-lm'],
                capture_output=True,
                text=True,
                check=True,
                timeout=_LONGEST_BUILD,
            )
            _seal(Path(name))
            os.replace(name, target)  # at once, whole
        finally:
            Path(name).unlink(missing_ok=True)
    _LOGGER.info('built %s', target)
    return target


def _seal(library: Path) -> None:
    """Puts the digest of a file at its end, and all of it on the disk."""
    digest = hashlib.sha256(library.read_bytes()).digest()
    with library.open('ab') as file:
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())
    library.chmod(0o700)


def _is_kept(library: Path) -> bool:
    """Whether the file is there, and its end the digest of the rest. What others can write to is `load`'s to refuse."""
    if not library.exists():
        return False
    if not _is_ours(library):
        return True
    content = library.read_bytes()
    size = hashlib.sha256().digest_size
    if hashlib.sha256(content[:-size]).digest() == content[-size:]:
        return True
    _LOGGER.warning('%s was cut short or changed: it is built again', library)
    return False


def _remove_leftovers(folder: Path) -> None:
    """Of builds that were killed: those that no build can still be writing."""
    for file in folder.glob(f'{_BUILDING}*.so'):
        with contextlib.suppress(OSError):  # another process may have removed it
            if time.time() - file.stat().st_mtime > 2 * _LONGEST_BUILD:
                file.unlink()


def _key(command: list[str], flags: tuple[str, ...]) -> str:
    """A digest of all that the library's code depends on."""
    texts = [Path(__file__).with_name(name).read_bytes() for name in (*_SOURCES, *_HEADERS)]
    version = subprocess.run([*command, '--version'], capture_output=True, check=True, timeout=60).stdout
    return hashlib.sha256(b'\0'.join([*texts, version, _processor(), ' '.join(flags).encode()])).hexdigest()[:16]


def _processor() -> bytes:
    """What -march=native depends on."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    words = ('flags', 'Features', 'model name', 'CPU part')
    features = sorted({line for line in lines if line.split('\t')[0].strip() in words})
    return '\n'.join([platform.machine(), *features]).encode()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone in `folder` among processes that ask. Without locks in the file system several build, to no harm."""
    import fcntl  # of Unix alone, where alone anything is built

    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _cache_folder() -> Path | None:
    """The cache, made if need be; None where it cannot be written or trusted."""
    base = os.environ.get('SW_MMSEG_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'sw_mmseg'
    )
    folder = Path(base)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    if not _is_ours(folder):
        _say_private(folder)
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _is_ours(path: Path) -> bool:
    """Whether only this user can have written a folder or a file."""
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _say_private(path: Path) -> None:
    warnings.warn(
        f'{path} is not used, because others can write to it or own it: the C code of whitening is built '
        'anew in every process. `chmod go-w` it, or name another folder in SW_MMSEG_CACHE',
        RuntimeWarning,
    )
