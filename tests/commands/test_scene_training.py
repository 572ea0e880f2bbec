"""Training scene parsing by the commands that configs/README.md gives: without data, on streets, twice the same."""

import functools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sw_mmseg.commands.test import parse_arguments
from sw_mmseg.running.evaluation import prepare
from tests.helpers.slow_cases import slow

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures('one_thread')


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


@pytest.mark.parametrize(
    'name, folder, archive',
    [
        ('sw_pspnet_ade20k', 'data/ade/ADEChallengeData2016', 'ADEChallengeData2016.zip'),
        slow('sw7_fcn_cityscapes', 'data/cityscapes', 'gtFine_trainvaltest.zip'),
    ],
)
def test_without_data_it_says_what_to_do_and_makes_nothing(name, folder, archive, tmp_path):
    """In a shell, in an empty folder; ten seconds are counted on the CPU, for others may be using it."""
    config = REPOSITORY / f'configs/{name}.py'
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, REPOSITORY / 'tools/train.py', config],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 40
    )  # seconds of work: nothing is built, even on a busy machine
    assert done.returncode == 2 and 'Traceback' not in done.stderr and done.stdout == ''
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith('error: ') and f'folder {folder} is missing' in line
    assert 'must look like this: DATA_ROOT/' in line
    # from outside of the repository
    assert 'python -m sw_mmseg dataset_converters ' in line and archive in line
    assert line.endswith(f'python -m sw_mmseg train {config} --streets')
    assert list(tmp_path.iterdir()) == []


def test_the_same_config_trains_on_streets_and_is_tested_at_several_scales(run, tmp_path, monkeypatch):
    """What the message above recommends, with few pictures and iterations; pictures are drawn when they are missing."""
    import sw_mmseg.datasets.streets as streets

    generate = functools.partial(streets.generate_streets, size=(64, 32), source=0, target_train=8, target_val=2)
    monkeypatch.setattr(streets, 'generate_streets', generate)
    monkeypatch.chdir(tmp_path)
    config = REPOSITORY / 'configs/sw_pspnet_ade20k.py'
    in_process = [
        f'{part}_dataloader.{key}'
        for part in ('train', 'val', 'test')
        for key in ('num_workers=0', 'persistent_workers=False')
    ]
    few = [*in_process, 'train_dataloader.batch_size=2', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1']
    assert run('train', config, '--streets', '--cfg-options', *few) == 0
    assert (tmp_path / 'data/streets/varied/ade20k/images/training').is_dir()
    folder = tmp_path / 'work_dirs/sw_pspnet_ade20k_streets'
    for words in ([], ['--tta']):
        assert run('test', config, folder / 'iter_1.pth', '--streets', *words, '--cfg-options', *in_process) == 0
    for name in ('iter_1', 'iter_1_tta'):
        metrics = json.loads((folder / f'{name}_metrics.json').read_text())
        assert 0 <= metrics['aAcc'] <= 100 and len(metrics['IoU']) == 150  # pixel accuracy is Table 4's
    assert not (tmp_path / 'work_dirs/sw_pspnet_ade20k').exists()


def test_scales_of_tta_are_the_configs():
    from mmengine.config import Config

    config = Config.fromfile(REPOSITORY / 'configs/sw_pspnet_ade20k.py')
    prepare(config, parse_arguments(['c', 'k', '--tta']))
    resizes, flips = config.test_dataloader.dataset.pipeline[1].transforms[:2]
    assert [tuple(t.scale) for t in resizes] == [
        (1024, 256),
        (1536, 384),
        (2048, 512),
        (2560, 640),
        (3072, 768),
        (3584, 896),
    ]  # 0.5 to 1.75
    assert [t.prob for t in flips] == [0.0, 1.0]


def test_the_same_seed_gives_the_same_losses_to_the_bit(tiny_scenes, run, tmp_path):
    config = tiny_scenes('sw_pspnet')
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        words = ['--work-dir', tmp_path / name, '--deterministic', '--seed', seed]
        assert run('train', config, '--norm', 'swb', *words) == 0
    assert torch.are_deterministic_algorithms_enabled()
    losses = {}
    for name in 'abc':
        (file,) = (tmp_path / name).rglob('scalars.json')
        losses[name] = [json.loads(line)['loss'] for line in file.read_text().splitlines() if '"loss"' in line]
    assert len(losses['a']) == 3 and losses['a'] == losses['b'] != losses['c']
    a, b = (weights(tmp_path / name / 'iter_3.pth') for name in 'ab')
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_gradients_accumulate(tiny_scenes, run, tmp_path):
    """The first of two iterations leaves the weights, the second changes them."""
    assert (
        run(
            'train',
            tiny_scenes('bn_pspnet'),
            '--work-dir',
            tmp_path,
            '--cfg-options',
            'train_cfg.max_iters=4',
            'optim_wrapper.accumulative_counts=2',
            'default_hooks.checkpoint.interval=1',
            'default_hooks.checkpoint.max_keep_ckpts=9',
            'train_cfg.val_interval=9',
        )
        == 0
    )
    name = 'backbone.layer1.0.conv1.weight'
    states = [weights(tmp_path / f'iter_{n}.pth')[name] for n in (1, 2, 3, 4)]
    assert [torch.equal(a, b) for a, b in zip(states, states[1:])] == [False, True, False]


def test_half_precision_by_name(tiny_scenes, run, tmp_path, capsys):
    config = tiny_scenes('sw_pspnet')
    assert run('train', config, '--work-dir', tmp_path, '--amp', 'bf16', '--cfg-options', 'train_cfg.max_iters=1') == 0
    state = weights(tmp_path / 'iter_1.pth')
    assert all(v.dtype in (torch.float32, torch.int64) and v.isfinite().all() for v in state.values())
    if not torch.cuda.is_available():
        assert run('train', config, '--work-dir', tmp_path, '--amp', 'fp16') == 2
        assert 'needs a GPU' in capsys.readouterr().err
