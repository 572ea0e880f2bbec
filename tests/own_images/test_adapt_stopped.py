"""What tools/adapt.py says and leaves where a signal stops it, and of words of its command line that are none."""

import os
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sw_mmseg.commands import adapt
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


@pytest.mark.parametrize(
    'option, text',
    [
        (('--budget', 'nan'), '--budget must be at least 0.01'),
        (('--budget', 'inf'), '--budget must be at least 0.01'),
        (('--predict', '²'), '--predict takes a number'),
        (('--source-share', 'nan'), '--source-share takes a positive number'),
        (('--source-share', 'inf'), '--source-share takes a positive number'),
        (('--cfg-options', 'train_cfg.max_iters=5'), '--cfg-options train_cfg.max_iters: say --iterations'),
        (('--cfg-options', 'randomness.seed=5'), '--cfg-options randomness.seed: say --seed'),
        (('--cfg-options', 'train_dataloader.batch_size=5'), 'batch_size: say --batch-size in its place'),
        (('--cfg-options', 'work_dir=elsewhere'), '--cfg-options work_dir: say --out in its place'),
    ],
)
def test_options_that_mean_nothing_or_contradict_others(folders_of_images, run, tmp_path, capsys, option, text):
    with pytest.raises(SystemExit):
        run(*words(folders_of_images, tmp_path / 'new', *option))
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ('option', 'text'), [('compile=True', 'adapt makes trainings that do not read it'), ('train_cfg=None', 'all None')]
)
def test_errors_of_settings_are_short(folders_of_images, run, tmp_path, capsys, option, text):
    """mmengine's has the whole config in it."""
    assert run(*words(folders_of_images, tmp_path / 'new', '--cfg-options', option)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert text in error and len(error) < 1000


def test_norms_may_be_written_in_capitals():
    """As of all other commands."""
    assert adapt.parse_arguments(['--source', 'a', 'b', '--target', 'c', '--out', 'd', '--norm', 'SW']).norm == 'sw'


def test_a_run_that_differs_names_the_option_by_its_name(folders_of_images, run, tmp_path, monkeypatch, capsys):
    class Stopped(training.ProgressHook):
        def before_train(self, runner):
            raise KeyboardInterrupt

    monkeypatch.setattr(training, 'ProgressHook', Stopped)
    table = tmp_path / 'classes.yaml'
    table.write_text('classes: {one: 1, two: 2}')
    arguments = (*words(folders_of_images, tmp_path / 'new'), '--classes', table)
    assert run(*arguments) == 130
    again = ('--resume', '--source', folders_of_images / 'source/images', folders_of_images / 'source/labels')
    assert run(*arguments, *again) == 2
    assert 'error: --resume: --source is [[' in capsys.readouterr().err


def test_a_file_of_a_users_stays_where_it_is_tried_whether_one_can_write(folders_of_images, run, tmp_path):
    (tmp_path / '.probe').write_text('mine')
    assert run(*words(folders_of_images, tmp_path, '--check-only')) == 0
    assert (tmp_path / '.probe').read_text() == 'mine'


def test_a_folder_whose_name_is_no_text(folders_of_images, run, tmp_path, capsys):
    """Of a disk that was written with Latin-1: config.py, which names the folder, is UTF-8."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b'/\xfcber uns')
    shutil.copytree(folders_of_images / 'target', folder)
    assert run(*words(folders_of_images, tmp_path / 'new', '--target', folder)) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith('error: ') and f'{tmp_path}/\\udcfcber is not UTF-8' in line


def test_no_workers_are_not_kept(folders_of_images, run, tmp_path, monkeypatch):
    """As of `train`: torch refuses persistent workers where there are none."""
    monkeypatch.setattr(training, 'train', lambda *_: pytest.fail('it builds'))
    with pytest.raises(pytest.fail.Exception, match='it builds'):
        run(*words(folders_of_images, tmp_path / 'new', '--cfg-options', 'train_dataloader.num_workers=0'))


def test_predictions_behind_a_link_stay_where_they_are(tmp_path, capsys):
    """After all trainings the folder could not be put in the link's place, and there was no report."""
    target, table = SimpleNamespace(names=['a'], paths=[str(tmp_path / 'a.png')]), SimpleNamespace(palette=[[0, 0, 0]])
    examiner = SimpleNamespace(
        checked=SimpleNamespace(target=target, table=table),
        pixel_pipeline=None,
        read=lambda _: np.zeros((2, 3, 3), np.uint8),
    )
    out, elsewhere = tmp_path / 'out/predictions', tmp_path / 'elsewhere'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, 'segment_pixels', lambda *_: np.zeros((2, 3), np.uint8))
        written.write_predictions(torch.nn.Linear(1, 1), examiner, elsewhere, None)
        before = sorted(path.name for path in elsewhere.iterdir())
        out.parent.mkdir()
        out.symlink_to(elsewhere)
        written.write_predictions(torch.nn.Linear(1, 1), examiner, out, None)
    assert f'it is {out}.before now' in capsys.readouterr().out
    assert sorted(path.name for path in elsewhere.iterdir()) == before and len(before) > 2
    assert not out.is_symlink() and sorted(path.name for path in out.iterdir()) == before
