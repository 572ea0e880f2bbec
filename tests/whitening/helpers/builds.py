"""The C library as several compilers build it for several processors, each built once."""

import functools
import os
import platform
import shutil
from unittest import mock

import pytest

from sw_mmseg.whitening.backends.cpu import build, library

# name -> command, or None for the user's own, and for what processor
BUILDS = {
    'native': (None, 'native'),
    'no AVX2': (None, 'x86-64-v2'),
    'no AVX512': (None, 'x86-64-v3'),
    'clang': ('clang', 'native'),
}


@functools.cache
def built(name):
    """The library. Skips where there is no such compiler or processor; raises where the compiler fails."""
    command, processor = BUILDS[name]
    if command is not None and shutil.which(command) is None:
        pytest.skip(f'no {command} here')
    if processor != 'native' and platform.machine() != 'x86_64':
        pytest.skip('no such processor')
    if processor == 'x86-64-v3' and b' avx2 ' not in build._processor():
        pytest.skip('no such processor')
    flags = tuple(f'-march={processor}' if flag.startswith('-march') else flag for flag in build.FLAGS)
    with mock.patch.dict(os.environ, {} if command is None else {'CC': command}):
        if build.compiler() is None:
            pytest.skip('no C compiler here')
        return library.typed(build.load(flags))
