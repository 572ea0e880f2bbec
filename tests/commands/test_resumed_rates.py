"""Resuming with another length or another rate: as a run of that config would have been, or refused."""

import copy
import json
import math
from importlib import import_module
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner

from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.resume import ResumedRatesHook, differences, lengthen, step_again

PLAYERS = ('segmentor', 'discriminator')
RATE = 'optim_wrapper.segmentor.optimizer.lr'


@pytest.fixture(scope='module', autouse=True)
def single_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def config_of(tiny_config, tmp_path_factory):
    """`config_of(6, rate=0.003)` -> a config that trains so long, its schedules to the end."""
    folder = tmp_path_factory.mktemp('lengths')

    def write(length, rate=0.03, warmup=2):
        file = folder / f'length_{length}_{rate}_{warmup}.py'
        schedule = (
            f"[dict(type='LinearLR', start_factor=0.05, begin=0, end={warmup}, by_epoch=False), dict("
            f"type='PolyLR', power=0.9, eta_min=0.0, begin={warmup}, end={length}, by_epoch=False)]"
        )
        file.write_text(
            '\n'.join(
                [
                    f"_base_ = '{tiny_config('bn_adaptsegnet')}'",
                    f'param_scheduler = dict(_delete_=True, segmentor={schedule}, discriminator={schedule})',
                    f'train_cfg = dict(max_iters={length}, val_interval=1000)',
                    f'optim_wrapper = dict(segmentor=dict(optimizer=dict(lr={rate})))',
                    'default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1000))',
                ]
            )
        )
        return file

    return write


def train(config, folder, *options, resume=True):
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.visualization import Visualizer

    for kind in (MessageHub, MMLogger, Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()  # runs of one second share a name
    tool = import_module('sw_mmseg.commands.train')
    words = [
        config,
        '--work-dir',
        folder,
        '--check-data',
        'none',
        *['--resume'] * resume,
        *(['--cfg-options', *options] if options else []),
    ]
    return run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))


@pytest.fixture(scope='module')
def runs(config_of, tmp_path_factory):
    """A finished training: `short` of 6 iterations."""
    folder = tmp_path_factory.mktemp('runs')
    assert train(config_of(6), folder / 'short', resume=False) == 0
    return folder


@pytest.fixture(scope='module')
def long_runs(config_of, runs):
    """Two more beside it: `long` of 10 iterations, `slow` of 10 at a tenth of the rate."""
    for name, config in (('long', config_of(10)), ('slow', config_of(10, rate=0.003))):
        assert train(config, runs / name, resume=False) == 0
    return runs


@pytest.fixture
def resumable(runs, tmp_path):
    """A copy of the short one's checkpoint."""
    folder = tmp_path / 'resumed'
    folder.mkdir()
    (folder / 'iter_6.pth').write_bytes((runs / 'short/iter_6.pth').read_bytes())
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_6.pth'))
    return folder


def rates(folder):
    """Iteration -> the rates of both players that it was done with."""
    (file,) = Path(folder).rglob('scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {
        line['step']: tuple(line[f'{player}.lr'] for player in PLAYERS) for line in lines if f'{PLAYERS[0]}.lr' in line
    }


def kept(file):
    """What schedules and optimisers say, but for what they remember of gradients."""
    state = torch.load(file, weights_only=False)
    return state['param_schedulers'], [state['optimizer'][player]['param_groups'] for player in PLAYERS]


@pytest.mark.slow
def test_a_longer_run_has_the_rates_of_a_run_of_that_length(config_of, long_runs, resumable, capsys):
    """Without a word on schedules: those that ended with the training end with it again."""
    assert train(config_of(6), resumable, 'train_cfg.max_iters=10') == 0
    assert 'param_scheduler.segmentor.1.end was 6 and is 10 from iteration 6 on' in capsys.readouterr().out
    resumed, whole = rates(resumable), rates(long_runs / 'long')
    assert list(resumed) == [7, 8, 9, 10] and resumed == {step: whole[step] for step in resumed}
    assert resumed[7][0] > 0 and whole[1] == rates(long_runs / 'short')[1]
    assert kept(resumable / 'iter_10.pth') == kept(long_runs / 'long/iter_10.pth')


@pytest.mark.slow
def test_another_rate_holds_from_there_on(config_of, long_runs, resumable):
    assert train(config_of(6), resumable, 'train_cfg.max_iters=10', f'{RATE}=0.003') == 0
    resumed, whole = rates(resumable), rates(long_runs / 'slow')
    assert resumed == {step: whole[step] for step in resumed} and len(resumed) == 4
    assert resumed[8][1] == rates(long_runs / 'long')[8][1]  # the other player's is as it was
    assert kept(resumable / 'iter_10.pth') == kept(long_runs / 'slow/iter_10.pth')


def test_the_last_period_of_restarts_goes_on_to_the_new_end():
    """By the cosine itself: past its periods mmengine would leave the rate of the last iteration but one."""
    config = load_config('bn_cbst_streets2camvid', {})
    before, old = copy.deepcopy(config), config.train_cfg.max_iters
    (index,) = (i for i, s in enumerate(config.param_scheduler.segmentor) if s.type == 'CosineRestartLR')
    first = before.param_scheduler.segmentor[index]
    config.train_cfg.max_iters = old + 300
    key = f'param_scheduler.segmentor.{index}'
    assert {f'{key}.end', f'{key}.periods'} <= lengthen(config, before, {})
    schedule = config.param_scheduler.segmentor[index]
    assert schedule.periods == [*first.periods[:-1], first.periods[-1] + 300] and schedule.end == old + 300
    assert not [k for k in lengthen(copy.deepcopy(before), before, {}) if 'segmentor' in k]
    asked_for = copy.deepcopy(before)
    asked_for.train_cfg.max_iters = old + 300
    assert f'{key}.periods' not in lengthen(asked_for, before, {f'{key}.periods': first.periods})

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(schedule, default_args={'optimizer': optimizer})
    step_again([scheduler], old + 100, 0)
    last = schedule.periods[-1]
    share = (last - 200) / last  # of the last period, 200 before its end
    height = schedule.restart_weights[-1] / 2 * (1 + math.cos(math.pi * share))
    assert optimizer.param_groups[0]['lr'] == pytest.approx(height, rel=1e-9) and height > 0.05


@pytest.mark.slow
def test_a_longer_run_with_restarts(config_of, tmp_path, capsys):
    """To the bit as a run whose last period was that long from its start."""

    def restarts(length, last):
        file = config_of(length)
        cosine = f"type='CosineRestartLR', restart_weights=[1.0, 0.5], eta_min=0.0, end={length}, by_epoch=False"
        text = f'[dict({cosine}, periods=[3, {last}])]'
        copied = file.with_name(f'restarts_{length}.py')
        players = f'param_scheduler = dict(_delete_=True, segmentor={text}, discriminator={text})'
        copied.write_text(f"_base_ = './{file.name}'\n{players}")
        return copied

    assert train(restarts(6, 3), tmp_path / 'resumed', resume=False) == 0
    assert train(restarts(10, 7), tmp_path / 'whole', resume=False) == 0
    assert train(restarts(6, 3), tmp_path / 'resumed', 'train_cfg.max_iters=10') == 0
    assert 'param_scheduler.segmentor.0.periods was [3,3] and is [3,7] from iteration 6' in capsys.readouterr().out
    assert kept(tmp_path / 'resumed/iter_10.pth') == kept(tmp_path / 'whole/iter_10.pth')


def test_what_optimisers_remember_is_kept(runs, config_of):
    """Momentum of SGD and the moments of Adam, whatever becomes of the rates."""
    state = torch.load(runs / 'short/iter_6.pth', weights_only=False)
    before = {player: state['optimizer'][player]['state'] for player in PLAYERS}
    config = Config.fromfile(config_of(10))
    config.work_dir = str(runs / 'built')
    runner = Runner.from_cfg(config)
    runner.optim_wrapper = runner.build_optim_wrapper(config.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(config.param_scheduler)
    ResumedRatesHook('iter_6.pth').after_load_checkpoint(runner, state)
    assert all(before[player] and state['optimizer'][player]['state'] is before[player] for player in PLAYERS)


def test_what_would_be_ignored_is_refused(config_of, resumable, capsys):
    way = 'begin a new run from the weights: --cfg-options load_from='
    for config, key, then, now in (
        (config_of(6, rate=0.003), RATE, '0.03', '0.003'),
        (config_of(6, warmup=3), 'param_scheduler.segmentor.0.end', '2', '3'),
    ):
        assert train(config, resumable) == 2
        error = capsys.readouterr().err
        assert f'{key} is {now} and was {then}' in error and f'when {resumable}/iter_6.pth was written' in error
        assert way in error and error.count(f'{key}={then}') == error.count(f'{key}={now}') == 1
    assert train(config_of(6), resumable, 'randomness.seed=5') == 2
    assert 'the seed is 5 and was 0' in capsys.readouterr().err
    assert train(config_of(6), resumable, 'optim_wrapper.segmentor.optimizer.type=Adam') == 2
    assert "optimizer.type is 'Adam' and was 'SGD'" in capsys.readouterr().err
    assert not list(resumable.rglob('scalars.json'))


def test_a_finished_run_says_so(config_of, resumable, capsys):
    assert train(config_of(6), resumable) == 0
    assert 'nothing is left to train' in capsys.readouterr().out and len(list(resumable.glob('*.pth'))) == 1


def test_nothing_differs_from_itself(runs):
    config = Config.fromstring(torch.load(runs / 'short/iter_6.pth', weights_only=False)['meta']['cfg'], '.py')
    assert list(differences(config, config)) == []


@pytest.mark.parametrize(
    'option, word',
    [
        ('optim_wrapper.segmentor.optimizer.lrr=1', 'lrr'),
        ('train_cfg.max_itres=5', 'max_itres'),
        ('train_dataloader.batch_sise=4', 'batch_sise'),
        ('param_scheduler.segmentor.1.powr=1', 'powr'),
        ('train_dataloader.dataset.source.data_rot=x', 'data_rot'),
        ('default_hooks.logger.intervall=5', 'intervall'),
        ('default_hooks.checkpoint.intervall=5', 'interval?'),
    ],
)
def test_a_typo_is_a_line_before_anything_is_trained(config_of, tmp_path, capsys, option, word):
    assert train(config_of(6), tmp_path, option, resume=False) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: the config does not build') and word in error
    assert not list(tmp_path.glob('*.pth'))
