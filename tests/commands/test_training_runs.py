"""Trainings as users start them: stopped and resumed, on folders of one's own, in mixed precision, with mistakes."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import torch

from sw_mmseg.running.command_line import run_tool
from tests.helpers.weights import equal, weights

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures('one_thread')


def test_ctrl_c_and_resume_equal_an_uninterrupted_run_bit_for_bit(tiny_config, run, tmp_path):
    config = tiny_config('bn_adaptsegnet')
    command = [
        sys.executable,
        'tools/train.py',
        config,
        '--work-dir',
        str(tmp_path / 'cut'),
        '--cfg-options',
        'train_cfg.max_iters=100000',
        'train_cfg.val_interval=100000',
    ]
    with (tmp_path / 'log').open('w') as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, 'OMP_NUM_THREADS': '1'})
        limit = time.monotonic() + 120
        while 'Iter(train) [' not in (tmp_path / 'log').read_text() and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT, (tmp_path / 'log').read_text()[-2000:]
    assert 'To go on: the same command with --resume' in (tmp_path / 'log').read_text()
    (saved,) = (tmp_path / 'cut').glob('*.pth')
    last = int(saved.stem.removeprefix('iter_')) + 2
    options = [
        '--cfg-options',
        f'train_cfg.max_iters={last}',
        f'train_cfg.val_interval={last}',
        'default_hooks.checkpoint.interval=100000',
    ]
    assert run('train', config, '--work-dir', tmp_path / 'cut', '--resume', *options) == 0
    assert run('train', config, '--work-dir', tmp_path / 'whole', *options) == 0
    assert (tmp_path / 'cut' / f'iter_{last}.pth').is_file()
    cut, whole = (weights(tmp_path / name / f'iter_{last}.pth') for name in ('cut', 'whole'))
    assert len(whole[0]) > 50 and set(whole[1]) == {'segmentor', 'discriminator'}
    assert equal(cut, whole)


def test_two_folders_of_ones_own_need_no_target_label_and_no_validation(run, tmp_path, streets):
    """The config for users' folders, its network made tiny: target images in sub-folders, no label file anywhere."""
    target = tmp_path / 'photos' / 'monday'
    shutil.copytree(streets / 'cityscapes' / 'leftImg8bit' / 'train', target)
    network = 'backbone=dict(width=0.0625, init_cfg=None), decode_head=dict(in_channels=64, dilations=(1, 2, 3, 4))'
    config = tmp_path / 'mine.py'
    config.write_text(f"""
_base_ = '{REPOSITORY}/configs/sw_adaptsegnet_folders.py'
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    source=dict(data_root='{streets}/gta5', pipeline=[
        dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]),
    target=dict(data_root='{target.parent}', pipeline=[dict(type='LoadImage'), dict(type='PackSegInputs')])))
model = dict(segmentor=dict({network}), discriminator=dict(width=4))
train_cfg = dict(max_iters=2)
""")
    assert run('train', config, '--work-dir', tmp_path / 'run') == 0
    assert (tmp_path / 'run' / 'iter_2.pth').is_file()
    assert run('predict', config, tmp_path / 'run' / 'iter_2.pth', target, tmp_path / 'out') == 0
    assert len(list((tmp_path / 'out').rglob('*_overlay.jpg'))) == 4


@pytest.mark.parametrize('name', ['bn_sourceonly', 'bn_adaptsegnet'])
def test_mixed_precision_trains_on_a_processor(name, tiny_config, run, tmp_path):
    if torch.cuda.is_available():
        pytest.skip('float16 is used where there is a GPU')
    assert (
        run(
            'train',
            tiny_config(name),
            '--work-dir',
            tmp_path,
            '--amp',
            '--check-data',
            'none',
            '--cfg-options',
            'train_cfg.max_iters=2',
        )
        == 0
    )
    state, _ = weights(tmp_path / 'iter_2.pth')
    assert all(v.dtype in (torch.float32, torch.int64) and v.isfinite().all() for v in state.values()) and state


@pytest.mark.slow
def test_two_processes_train_and_one_tests_what_they_saved(tiny_config, call, run, tmp_path, unused_port):
    config = tiny_config('sw_adaptsegnet')
    done = call(
        'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        tmp_path,
        '--check-data',
        'none',
        '--cfg-options',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.checkpoint.max_keep_ckpts=3',
        PORT=str(unused_port),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'mIoU' in done.stdout + done.stderr
    assert run('test', config, tmp_path / 'iter_2.pth', '--work-dir', tmp_path / 'test') == 0
    assert (tmp_path / 'test' / 'iter_2_iou.csv').is_file()
    # one process goes on from what two saved: not a weight is lost, though their names differ
    assert (
        run(
            'train',
            config,
            '--work-dir',
            tmp_path,
            '--resume',
            '--check-data',
            'none',
            '--cfg-options',
            'train_cfg.max_iters=3',
            'train_cfg.val_interval=3',
            'default_hooks.checkpoint.max_keep_ckpts=3',
        )
        == 0
    )
    two, one = (weights(tmp_path / f'iter_{n}.pth')[0] for n in (2, 3))
    assert {k.replace('.module.', '.') for k in two} == set(one) != set(two)
    moved = [(two[k] - one[k.replace('.module.', '.')]).abs().max() for k in two if k.endswith('weight')]
    assert moved and max(moved) < 0.05  # one step away, not at new initial values


@pytest.mark.parametrize(
    'words, text',
    [
        (['tools/train.py', 'configs/sw_adaptsegnet_street.py'], 'did you mean'),
        (['tools/train.py', 'CONFIG', '--resume', 'nowhere.pth'], 'no checkpoint nowhere.pth'),
        (
            ['tools/train.py', 'CONFIG', '--cfg-options', 'train_dataloder.batch_size=1'],
            'did you mean train_dataloader',
        ),
        (['tools/train.py', 'CONFIG', '--cfg-options', 'model.backbone.widht=1', '--check-data', 'none'], 'widht'),
        (
            ['tools/train.py', 'CONFIG', '--cfg-options', 'train_dataloader.dataset.dataset.data_root=nowhere'],
            'nowhere',
        ),
        (['tools/test.py', 'CONFIG', 'nowhere.pth'], 'no checkpoint nowhere.pth'),
        (['tools/predict.py', 'CONFIG', 'nowhere.pth', 'nowhere.png', 'out'], 'no image or folder nowhere.png'),
    ],
)
def test_a_users_mistake_is_one_line(words, text, tiny_config, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(logging, 'raiseExceptions', False)  # earlier tests' loggers hold closed streams
    words = [tiny_config('bn_sourceonly') if w == 'CONFIG' else w for w in words]
    tool = import_module(f'sw_mmseg.commands.{Path(words[0]).stem}')
    status = run_tool(tool.main, tool.parse_arguments([*words[1:2], *words[2:], '--work-dir', str(tmp_path)]))
    errors = capsys.readouterr().err
    (line,) = [x for x in errors.splitlines() if x.startswith('error: ')]
    assert status == 2 and text in line and errors.endswith(line + '\n') and 'Traceback' not in errors


@pytest.mark.slow
def test_the_same_from_a_shell(call, tmp_path):
    done = call('tools/train.py', tmp_path / 'none.py')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert done.stderr.strip().startswith(f'error: no config {tmp_path}/none.py')
    done = call('tools/dist_train.sh', 'only-one-word')
    assert done.returncode == 2 and 'usage:' in done.stderr
