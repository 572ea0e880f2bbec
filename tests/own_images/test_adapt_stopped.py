"""What tools/adapt.py leaves where a signal stops it."""

import os
import signal
import time

import pytest

from sw_mmseg.own_images import job, written
from sw_mmseg.running import training
from tests.helpers.own_folders import write_folders

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def folders_of_images(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp('images'))


def words(root, out, *more):
    source = ('--source', root / 'source/images', root / 'source/labels')
    options = ('--iterations', 8, '--batch-size', 1, '--network', 'narrow', '--norm', 'bn', '--no-comparison')
    return ('adapt', *source, '--target', root / 'target', '--out', out, *options, *more)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('moment', ['check', 'training', 'predictions'])
def test_a_signal_is_told_by_the_exit_status(folders_of_images, run, tmp_path, monkeypatch, capsys, number, moment):
    """A scheduler's SIGTERM, in a training, which saves first, and beside one."""

    class Stopped(training.ProgressHook):
        def after_train_iter(self, runner, **_):
            os.kill(os.getpid(), number)

    def stopped(*_):
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr(training, 'ProgressHook', Stopped if moment == 'training' else training.ProgressHook)
    if moment == 'check':
        monkeypatch.setattr(job, 'choose', stopped)
    if moment == 'predictions':
        monkeypatch.setattr(written, 'segment_pixels', stopped)
    assert run(*words(folders_of_images, tmp_path)) == 128 + number
    assert ('--resume goes on' in capsys.readouterr().err) == (moment != 'check')
