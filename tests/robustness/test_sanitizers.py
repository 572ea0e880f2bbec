"""The C code under AddressSanitizer and UndefinedBehaviorSanitizer, on random layers."""

import os
import subprocess
import sys

import pytest

from sw_mmseg.whitening.backends.cpu import build

pytestmark = pytest.mark.robustness

SANITIZERS = ('-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer', '-g')
FLAGS = (*('-O1' if flag == '-O3' else flag for flag in build.FLAGS), *SANITIZERS)

SCRIPT = """
import sys
import torch
from sw_mmseg.whitening.backends.cpu import build, library
loaded = library.typed(build.load(tuple(sys.argv[1].split())))
library.library_or_none = lambda: loaded
from sw_mmseg.whitening.backends.cpu import backend
backend.library_or_none = library.library_or_none
from sw_mmseg.whitening.backends import select
assert select(torch.empty(1, 16, 2, 2), 16) is backend
from tests.whitening.helpers.random_cases import draw
from tests.whitening.helpers.random_checks import check
for threads in (1, 2):
    torch.set_num_threads(threads)
    for seed in range(20000, 20400):
        check(draw(seed))
print('done')
"""


def sanitizer(name, command):
    """The sanitizer's library; None where the compiler has none."""
    done = subprocess.run([*command, f'-print-file-name=lib{name}.so'], capture_output=True, text=True, check=True)
    path = done.stdout.strip()
    return path if os.path.isabs(path) else None


def can_sanitize(tmp_path, command):
    """Whether the compiler builds with the flags at all: a fault of our own code would not keep this from building."""
    source = tmp_path / 'empty.c'
    source.write_text('int nothing(void) { return 0; }\n')
    done = subprocess.run([*command, *SANITIZERS, '-shared', '-fPIC', str(source), '-o', str(tmp_path / 'empty.so')])
    return done.returncode == 0


def run(tmp_path, script):
    command = build.compiler()
    if command is None:
        pytest.skip('no C compiler here')
    libraries = [sanitizer(name, command) for name in ('asan', 'ubsan')]
    if None in libraries or not can_sanitize(tmp_path, command):
        pytest.skip(f'{command[0]} has no AddressSanitizer or no UndefinedBehaviorSanitizer')
    environment = os.environ | {
        'LD_PRELOAD': ':'.join(libraries),
        'ASAN_OPTIONS': 'detect_leaks=0',  # of the interpreter there are many
        'UBSAN_OPTIONS': 'print_stacktrace=1',
        'SW_MMSEG_CACHE': str(tmp_path / 'cache'),
        'PYTHONPATH': os.pathsep.join(filter(None, sys.path)),
    }
    arguments = [sys.executable, '-W', 'ignore', '-c', script, ' '.join(FLAGS)]
    return subprocess.run(arguments, capture_output=True, text=True, env=environment)


def test_random_layers(tmp_path):
    done = run(tmp_path, SCRIPT)
    assert done.stdout.split() == ['done'] and 'runtime error' not in done.stderr, done.stderr[-4000:]


def test_a_fault_is_seen(tmp_path):
    """Room for the means of one image where there are two: the process ends."""
    fault = SCRIPT[: SCRIPT.index('from tests')] + (
        'import ctypes\nx = torch.randn(2, 16, 4, 4)\ncov = torch.empty(2, 1, 16, 16)\n'
        'libc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\n'
        'loaded.sw_moments(backend._view(x), backend._shape(x, 16), libc.malloc(64), cov.data_ptr())\nprint("done")\n'
    )
    done = run(tmp_path, fault)
    assert done.returncode != 0 and 'heap-buffer-overflow' in done.stderr, done.stderr[-2000:]
