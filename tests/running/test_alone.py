"""Two processes never train into one folder."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from sw_mmseg.commands import train
from sw_mmseg.commands.train import RANKS
from sw_mmseg.running import alone, training
from sw_mmseg.running.alone import alone_in
from sw_mmseg.running.errors import UserError

pytestmark = pytest.mark.usefixtures('one_thread')
HOLD = """
import os, sys, time
from pathlib import Path
from sw_mmseg.running.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print('in', flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(alone, 'PATIENCE', 0.5)


@pytest.fixture
def busy():
    """`busy(folder)` has another process work in it, and returns that process."""
    processes = []

    def hold(folder):
        words = [sys.executable, '-c', HOLD, str(folder)]
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout.readline() == 'in\n'
        return processes[-1]

    yield hold
    for process in processes:
        process.kill()
        process.wait()


def test_a_second_process_is_refused_until_the_first_ends_however_it_dies(busy, tmp_path):
    process = busy(tmp_path)
    with pytest.raises(UserError, match=f'another process is at work in {tmp_path}: '), alone_in(tmp_path):
        pytest.fail('two at once')
    process.kill()
    process.wait()
    with alone_in(tmp_path):
        assert list(tmp_path.iterdir()) == []  # nothing is left there that would have to be cleaned up


def test_a_worker_that_outlives_the_work_keeps_nobody_out(tmp_path):
    with alone_in(tmp_path):
        worker = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,))
        worker.start()
    try:
        with alone_in(tmp_path):
            assert worker.is_alive()
    finally:
        worker.kill()


def test_a_worker_that_outlives_a_killed_process_keeps_nobody_out(tmp_path, monkeypatch):
    """It may wait for a slow disk, for longer than anybody waits for it."""
    monkeypatch.setattr(alone, 'PATIENCE', 0.0)
    code = HOLD.replace('    print', "    if not __import__('os').fork():\n        sys.exit(time.sleep(5))\n    print")
    process = subprocess.Popen([sys.executable, '-c', code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'in\n'
    process.kill()
    process.wait()
    with alone_in(tmp_path):
        pass
    assert process.stdout.read() == ''  # until the worker ended, which has the pipe too


def test_a_child_that_ends_inside_does_not_let_others_in(tmp_path):
    def child():
        with alone_in(tmp_path / 'other'):
            raise SystemExit

    with alone_in(tmp_path):
        if not (number := os.fork()):
            try:
                child()  # a lock of its own is its own
            finally:
                os._exit(0)
        os.waitpid(number, 0)
    stack = contextlib.ExitStack()
    stack.enter_context(alone_in(tmp_path / 'new'))
    if not (number := os.fork()):
        stack.close()
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
    with pytest.raises(UserError), alone_in(tmp_path / 'new'):
        pytest.fail('the child gave up the lock of its parent')
    stack.close()


def test_a_folder_that_was_moved_while_another_waited_for_it_is_not_taken_for_it(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(alone, 'PATIENCE', 20.0)
    folder = tmp_path / 'run'
    process = busy(folder)

    def moved(_):
        folder.rename(tmp_path / 'run.before')
        process.kill()
        process.wait()
        monkeypatch.setattr(alone.time, 'sleep', lambda _: None)

    monkeypatch.setattr(alone, '_lock', lambda handle, lock=alone._lock: lock(handle) or moved(handle) or lock(handle))
    with alone_in(folder):
        assert folder.is_dir()
        with alone_in(tmp_path / 'run.before'):
            pass


def test_a_folder_to_which_nothing_was_written_goes(tmp_path):
    with alone_in(tmp_path / 'new/out'):
        assert (tmp_path / 'new/out').is_dir()
    assert not (tmp_path / 'new').exists()
    with alone_in(tmp_path / 'new/out'), alone_in(tmp_path / 'new'):
        (tmp_path / 'new/file').touch()
    assert os.listdir(tmp_path / 'new') == ['file']
    with alone_in(tmp_path / 'new/file'), alone_in(tmp_path / 'new/file/below'):  # what is wrong there, others say
        pass


def test_commands_that_train_are_refused(busy, tiny_config, run, tmp_path, capsys, monkeypatch):
    busy(tmp_path)
    monkeypatch.setattr('sw_mmseg.commands.train.train', lambda *_: pytest.fail('trained'))
    words = ('--source', tmp_path / 'a', tmp_path / 'b', '--target', tmp_path / 'c', '--out', tmp_path)
    for command in (('train', tiny_config('bn_sourceonly'), '--work-dir', tmp_path), ('adapt', *words)):
        assert run(*command) == 2
        assert f'error: another process is at work in {tmp_path}: ' in capsys.readouterr().err
    for launcher, name in RANKS.items():  # of several processes the first one asks, before they know each other
        monkeypatch.setenv(name, '1')
        monkeypatch.setattr('sw_mmseg.commands.train.prepared', lambda args: Config({'work_dir': args.work_dir}))
        monkeypatch.setattr('sw_mmseg.commands.train.build_runner', lambda *_: SimpleNamespace(hooks=[]))
        with monkeypatch.context() as patch:
            patch.setattr('sw_mmseg.commands.train.train', lambda *_: None)
            assert train.main(train.parse_arguments(['c.py', '--work-dir', str(tmp_path), '--launcher', launcher])) == 0
    study = training.Run('bn', 'source only', 0, '', {}, tmp_path)
    with pytest.raises(UserError, match='another process'):
        training.train(study, None, 'mark', 'label')
    assert not list(tmp_path.iterdir())
