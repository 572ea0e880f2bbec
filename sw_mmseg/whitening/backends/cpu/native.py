"""Builds the C sources beside this file into a shared library, once a machine, and loads it.

It is built at first use, by `cc` (or the command in $CC), into $SW_MMSEG_CACHE, by default ~/.cache/sw_mmseg, under a
name made of everything that its code depends on: sources, compiler, flags and the processor's features. So no stale or
foreign library is ever loaded, and processes that build at the same moment do not meet. Where there is no compiler, or
it fails, that is logged once and the passes in torch serve: slower, and equal.

The library shares the pool of OpenMP threads that torch has loaded, and asks for as many as torch is set to use.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import torch  # noqa: F401  # first of all, so that the library finds torch's OpenMP

__all__ = ['build', 'library']

_LOGGER = logging.getLogger(__name__)
_SOURCES = ('cpu_passes.c', 'cpu_algebra.c')
_HEADERS = ('cpu_blocks.h', 'cpu_mixture.h', 'cpu_newton.h', 'cpu_vector.h')
_FLAGS = ('-std=gnu11', '-O3', '-march=native', '-fopenmp', '-fPIC', '-shared')


@functools.lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The library, or None where it cannot be had. All arguments are ctypes values, all results ints or nothing."""
    try:
        return ctypes.CDLL(str(build()))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, 'stderr', None) or error
        _LOGGER.info('whitening runs on torch alone, slower on a CPU: its C code was not built: %s', reason)
        return None


def build() -> Path:
    """The library's file, made if need be. Raises `OSError` or `subprocess.SubprocessError` if that fails."""
    if not sys.platform.startswith('linux'):
        raise OSError(f'no build for {sys.platform}')
    sources = [Path(__file__).with_name(name) for name in _SOURCES]
    texts = [Path(__file__).with_name(name).read_bytes() for name in (*_SOURCES, *_HEADERS)]
    compiler = shlex.split(os.environ.get('CC', 'cc'))
    version = subprocess.run([*compiler, '--version'], capture_output=True, check=True, timeout=60).stdout
    key = hashlib.sha256(b'\0'.join([*texts, version, _processor(),
                                     ' '.join(_FLAGS).encode()])).hexdigest()[:16]
    target = _folder() / f'whitening-{key}.so'
    if not target.exists():
        handle, made = tempfile.mkstemp(dir=target.parent, suffix='.so')
        os.close(handle)
        try:
            subprocess.run([*compiler, *_FLAGS, *map(str, sources), '-o', made, '-lm'], capture_output=True, text=True,
                           check=True, timeout=300)
            os.replace(made, target)  # at once, whole
        finally:
            Path(made).unlink(missing_ok=True)
        _LOGGER.info('built %s', target)
    return target


def _processor() -> bytes:
    """What -march=native depends on."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    words = ('flags', 'Features', 'model name', 'CPU part')
    features = sorted({line for line in lines if line.split('\t')[0].strip() in words})
    return '\n'.join([platform.machine(), *features]).encode()


def _folder() -> Path:
    """The cache, or where that cannot be written, a private folder of this process."""
    base = os.environ.get('SW_MMSEG_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'sw_mmseg')
    try:
        Path(base).mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(base, os.W_OK):
            return Path(base)
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix='sw_mmseg-'))
