"""How the C library is built, kept and trusted, and what is said where it is not."""

import ctypes
import multiprocessing
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sw_mmseg.whitening.backends.cpu import build, library

FAST = tuple('-O0' if flag == '-O3' else flag for flag in build.FLAGS)
FOLDER = Path(build.__file__).parent
needs_compiler = pytest.mark.skipif(build.compiler() is None, reason='no C compiler here')

SCRIPT = """
import logging, torch
logging.basicConfig(level=logging.INFO, format='%(message)s')
from sw_mmseg.whitening import SwitchWhiten2d
from sw_mmseg.whitening.backends import select, torch_backend
x = torch.randn(2, 16, 4, 4, requires_grad=True)
layer = SwitchWhiten2d(16)
layer(x).sum().backward()
print(select(x, 16) is torch_backend, bool(torch.isfinite(x.grad).all()))
"""


def run_layer(compiler, cache):
    environment = {
        'CC': compiler,
        'SW_MMSEG_CACHE': str(cache),
        'PATH': '/usr/bin:/bin',
        'PYTHONPATH': os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, '-W', 'default::RuntimeWarning', '-c', SCRIPT], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == ['True', 'True'], done.stderr
    assert not cache.exists() or not list(cache.iterdir())
    return done.stderr


def test_without_a_compiler_torch_serves_and_a_log_says_so(tmp_path):
    said = run_layer('/no/such/compiler', tmp_path / 'cache')
    assert said.count('no C compiler here') == 1 and 'RuntimeWarning' not in said


def test_a_compiler_that_fails_is_a_warning_once(tmp_path):
    compiler = tmp_path / 'compiler'
    compiler.write_text('#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\necho "error in line 7" >&2; exit 1\n')
    compiler.chmod(0o700)
    said = run_layer(str(compiler), tmp_path / 'cache')
    assert said.count('RuntimeWarning: whitening runs on torch alone') == 1 and 'error in line 7' in said


@needs_compiler
def test_a_build_leaves_one_file_that_only_its_owner_can_write(tmp_path, monkeypatch):
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    build.load(FAST)
    (file,) = (tmp_path / 'cache').iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o700 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    stamp = file.stat().st_mtime_ns
    build.load(FAST)
    assert [path.stat().st_mtime_ns for path in file.parent.iterdir()] == [stamp]


@needs_compiler
def test_huge_pages_are_not_asked_for(tmp_path, monkeypatch):
    """Where memory is fragmented, to make them takes now and then five times as long as the work."""
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    build.load(FAST)
    (file,) = (tmp_path / 'cache').iterdir()
    content = file.read_bytes()
    assert b'sw_moments' in content and b'madvise' not in content


@needs_compiler
def test_of_processes_that_build_at_once_one_compiles(tmp_path):
    compiler, log = tmp_path / 'compiler', tmp_path / 'log'
    compiler.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) ;; *) echo compiled >> {log}; sleep 1;; esac\n'
        f'exec {" ".join(build.compiler())} "$@"\n'
    )
    compiler.chmod(0o700)
    (tmp_path / 'cache').mkdir(mode=0o700)
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=build.build, args=(tmp_path / 'cache', [str(compiler)], FAST)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert log.read_text().splitlines() == ['compiled'] and len(list((tmp_path / 'cache').iterdir())) == 1


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(folder))
    return folder


@needs_compiler
def test_where_the_cache_cannot_be_written_no_temporary_folder_stays(tmp_path, temporary, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'file' / 'cache'))
    assert library.typed(build.load(FAST)).sw_moments is not None
    assert not list(temporary.iterdir())


@needs_compiler
@pytest.mark.parametrize('mode', [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path, temporary, monkeypatch, mode):
    cache = tmp_path / 'cache'
    cache.mkdir()
    cache.chmod(mode)
    monkeypatch.setenv('SW_MMSEG_CACHE', str(cache))
    with pytest.warns(RuntimeWarning, match='cache is not used, because others can write to it'):
        build.load(FAST)
    assert not list(cache.iterdir()) and not list(temporary.iterdir())


@needs_compiler
def test_a_library_that_others_can_write_to_is_not_loaded(tmp_path, temporary, monkeypatch):
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    build.load(FAST)
    (file,) = (tmp_path / 'cache').iterdir()
    file.unlink()  # this process has it mapped, and a mapped file that is cut short is a bus error when it ends
    file.write_text('no library')
    file.chmod(0o720)
    with pytest.warns(RuntimeWarning, match='is not used, because others can write to it'):
        build.load(FAST)
    assert file.read_text() == 'no library' and not list(temporary.iterdir())


@needs_compiler
def test_a_folder_of_another_user_is_not_used(tmp_path, temporary, monkeypatch):
    (tmp_path / 'cache').mkdir(mode=0o700)
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(os, 'geteuid', lambda: os.getuid() + 1)
    with pytest.warns(RuntimeWarning, match='others can write to it or own it'):
        build.load(FAST)
    assert not list((tmp_path / 'cache').iterdir())


@needs_compiler
@pytest.mark.parametrize('fault', ['cut', 'empty', 'a bit'])
def test_a_library_that_was_cut_or_changed_is_built_again(tmp_path, monkeypatch, caplog, fault):
    """Loaded as it is, a cut one ends the process with a bus error."""
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    build.load(FAST)
    (file,) = (tmp_path / 'cache').iterdir()
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    file.unlink()  # this process has the first one mapped
    file.write_bytes({'cut': whole[: len(whole) // 2], 'empty': b'', 'a bit': bytes(changed)}[fault])
    library.typed(build.load(FAST))
    assert 'was cut short or changed' in caplog.text and file.read_bytes()[:-32] == whole[:-32]
    assert list((tmp_path / 'cache').iterdir()) == [file]


@pytest.mark.slow  # builds the whole library
@needs_compiler
def test_the_constructor_of_another_library_does_not_run(tmp_path):
    cache, source, mark = tmp_path / 'cache', tmp_path / 'foreign.c', tmp_path / 'mark'
    source.write_text(f'#include <stdio.h>\n__attribute__((constructor)) void run(void) {{ fopen("{mark}", "w"); }}')
    environment = os.environ | {'SW_MMSEG_CACHE': str(cache), 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}

    def run():
        return subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, text=True, env=environment)

    assert run().stdout.split() == ['False', 'True']
    (file,) = cache.iterdir()
    subprocess.run([*build.compiler(), '-shared', '-fPIC', str(source), '-o', str(file)], check=True)
    assert run().stdout.split() == ['False', 'True'] and not mark.exists()


@needs_compiler
def test_what_a_killed_build_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    (tmp_path / 'cache').mkdir(mode=0o700)
    old, fresh = (tmp_path / 'cache' / f'building-{name}.so' for name in ('old', 'fresh'))
    old.touch(), fresh.touch()
    os.utime(old, (0, 0))
    build.load(FAST)
    assert not old.exists() and fresh.exists()


def test_a_library_without_a_function_is_refused():
    with pytest.raises(build.BuildError, match='has no function sw_moments'):
        library.typed(ctypes.CDLL(None))


def exported():
    """Name, type of the result and types of the arguments of each function that the C files export."""
    text = ' '.join((FOLDER / name).read_text() for name in build._SOURCES)
    for result, name, arguments in re.findall(r'EXPORT (\w+) (\w+)\((.*?)\)', text, re.DOTALL):
        kinds = [re.fullmatch(r'\s*(?:const )?(\w+) (\*?)\w+', argument) for argument in arguments.split(',')]
        yield name, (result, [kind[1] + kind[2] for kind in kinds])


def test_signatures_are_those_of_the_c():
    kinds = {
        ctypes.c_void_p: 'float*',
        ctypes.c_int64: 'int64_t',
        ctypes.c_double: 'double',
        library.View: 'view',
        library.Shape: 'shape',
        library.Floats: 'floats',
        ctypes.POINTER(library.View): 'view*',
        ctypes.POINTER(library.Problem): 'problem*',
    }
    in_c = dict(exported())
    in_python = {
        name: ('void' if result is None else 'int', [kinds[argument] for argument in arguments])
        for name, (result, arguments) in library.SIGNATURES.items()
    }
    assert in_c == in_python and len(in_c) == 7


@needs_compiler
def test_arguments_of_other_types_are_refused():
    function = library.library().sw_moments
    with pytest.raises(ctypes.ArgumentError):
        function(library.Shape(), library.Shape(), None, None)
