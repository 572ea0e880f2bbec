"""Every config of the small network on CamVid: trained on drawn files in the layouts of its data, whole but for sizes.

Shrinking changes sizes of images, batches and lengths, and takes the pretrained weights away.
"""

import argparse
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import PARAM_SCHEDULERS, init_default_scope
from mmengine.runner import Runner

from sw_mmseg.datasets import CAMVID_CLASSES, check_dataset
from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.norms import norm_of
from sw_mmseg.running.schedules import schedule_options
from tests.helpers.camvid_files import smaller, write_camvid
from tests.helpers.config_runs import FOLDER, StartHook, is_norm, load, names_of, norms_of_backbone
from tests.helpers.slow_cases import one_in

NAMES = names_of('configs/test_small_configs.py')
METHODS = ('sourceonly', 'jitter', 'adaptsegnet', 'dacs', 'cbst', 'oracle')
LOSSES = {
    'AdaptSegNet': {'loss_seg', 'loss_adv', 'loss_dis'},
    'SelfTraining': {'loss_seg', 'loss_mix'},
    'ClassBalancedSelfTraining': {'loss_seg', 'loss_target'},
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_camvid(tmp_path_factory.mktemp('data'))


def shrink(config, data, work_dir):
    config = Config(smaller(config.to_dict(), data))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.model.get('segmentor', config.model).backbone.init_cfg = None
    if config.model.type == 'ClassBalancedSelfTraining':
        config.model.update(warmup=1, round_length=1, statistics_images=2)
    for hook in config.custom_hooks:
        hook.update({key: 1 for key in ('interval', 'window') if key in hook})
    config.train_cfg.update(max_iters=3, val_interval=3)
    config.default_hooks.checkpoint.interval = 3
    config.visualizer.name = work_dir.name
    config.update(work_dir=str(work_dir), log_level='ERROR', experiment_name=work_dir.name)
    return config


def test_the_promised_configs_are_there():
    promised = {f'bn_{method}_streets2camvid' for method in METHODS}
    promised |= {f'bn_{method}_camvid_day2dusk' for method in ('sourceonly', 'cbst')}
    assert set(NAMES) == promised


@pytest.mark.parametrize('name', one_in(2, [*NAMES, 'sw_cbst_streets2camvid']))  # the last by --norm
def test_three_iterations_and_a_score(name, data, tmp_path):
    config = shrink(load(name), data, tmp_path / name)
    check_dataset(config.train_dataloader.dataset, decode=None)
    runner = Runner.from_cfg(config)
    init_default_scope('mmseg')
    start = StartHook()
    runner.register_hook(start)
    runner.train()
    logged = {key.removeprefix('train/'): value for key, value in runner.message_hub.log_scalars.items()}
    losses = {key: value.current() for key, value in logged.items() if 'loss' in key}
    assert losses and all(np.isfinite(value) for value in losses.values())
    if 'segmentor' in config.model:
        assert LOSSES[config.model.type] == set(losses)
        check_coverage(runner.model, dict(runner.optim_wrapper.items()))
    else:
        check_coverage(runner.model, {'all': runner.optim_wrapper})
    changed = start.changed(runner.model)
    assert any('backbone.conv_stem' in key for key in changed) and any('decode_head' in key for key in changed)
    assert runner.val_loop.dataloader.dataset.metainfo['classes'] == CAMVID_CLASSES
    assert 0 <= runner.test()['mIoU'] <= 100
    if config.model.type == 'ClassBalancedSelfTraining':
        folder = tmp_path / name / 'pseudo_labels'
        images = {'streets2camvid': 4, 'camvid_day2dusk': 2}[name.split('_', 2)[2]]
        assert [len(list((folder / f'round_{number}').glob('*.png'))) for number in (1, 2)] == [images, images]


@pytest.mark.parametrize('norm', ['bn', 'in', 'sn', 'iw', 'sw', 'swb'])
@pytest.mark.parametrize('name', ['bn_sourceonly_streets2camvid', 'bn_cbst_camvid_day2dusk'])
def test_every_norm_can_stand_in_the_stem_and_the_first_three_stages(name, norm):
    config = load(name, norm)
    assert norm_of(config) == norm
    layers = norms_of_backbone(config)
    sites = ['bn1', *(key for key in layers if key.startswith(('blocks.0.', 'blocks.1.', 'blocks.2.')))]
    assert len(layers) == 48 and len(sites) == 15
    for key, layer in layers.items():
        if norm == 'bn':
            assert type(layer).__name__ == 'BatchNormAct2d'  # timm's
        else:
            assert is_norm(layer, norm) == (key in sites), key


def test_methods_share_network_optimiser_and_length():
    one = load('bn_sourceonly_streets2camvid')
    for method in ('adaptsegnet', 'dacs', 'cbst'):
        other = load(f'bn_{method}_streets2camvid')
        assert {key: value for key, value in one.model.items() if key != 'data_preprocessor'} == other.model.segmentor
        assert one.optim_wrapper == other.optim_wrapper.segmentor and one.train_cfg == other.train_cfg
        assert one.test_dataloader == other.test_dataloader and one.randomness == other.randomness
        assert one.train_dataloader.batch_size == other.train_dataloader.batch_size
    jitter, rounds = load('bn_jitter_streets2camvid'), load('bn_cbst_streets2camvid')
    assert jitter.train_dataloader.dataset.dataset == rounds.train_dataloader.dataset.source
    assert jitter.train_dataloader.dataset.rare_class_sampling == rounds.train_dataloader.dataset.rare_class_sampling
    lengths = [rounds.model.warmup, *[rounds.model.round_length] * len(rounds.model.shares)]
    assert sum(lengths) == rounds.train_cfg.max_iters == jitter.train_cfg.max_iters


def test_rates_of_rounds_rise_once_and_fall_to_nothing_before_each_round():
    config = load('bn_cbst_streets2camvid')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.segmentor.optimizer.lr)
    schedulers = [PARAM_SCHEDULERS.build({**step, 'optimizer': optimizer}) for step in config.param_scheduler.segmentor]
    rates = []
    for _ in range(600):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    expected = {0: 8e-5, 60: 2e-3, 180: 1e-3, 299: 0, 300: 1e-3, 375: 5e-4, 449: 0, 450: 1e-3, 525: 5e-4, 599: 0}
    assert {step: rates[step] for step in expected} == pytest.approx(expected, abs=2e-6)
    assert max(rates) == pytest.approx(2e-3)


def test_day_and_dusk_never_meet():
    config = load('bn_cbst_camvid_day2dusk')
    dataset = config.train_dataloader.dataset
    assert dataset.source.sequences == ['0006R0', '0016E5'] and dataset.target.sequences == ['0001TP']
    assert config.test_dataloader.dataset.sequences == ['0001TP'] and config.test_dataloader.dataset.split == 'test'
    assert load('bn_sourceonly_camvid_day2dusk').train_dataloader.dataset.dataset.sequences == ['0006R0', '0016E5']


def test_the_oracle_at_dusk_is_the_other_one_with_the_options_that_the_map_says():
    command = re.search(
        r'configs/(bn_oracle_streets2camvid)\.py --cfg-options(.+?)--work-dir',
        (FOLDER / 'README.md').read_text(),
        re.DOTALL,
    )
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    words = [word for word in command[2].split() if word != '\\']
    config = load_config(command[1], parser.parse_args(['--options', *words]).options)
    assert config.train_dataloader.dataset.dataset.sequences == ['0001TP']
    dusk = load('bn_cbst_camvid_day2dusk')
    assert config.val_dataloader == dusk.val_dataloader and config.test_dataloader == dusk.test_dataloader


@pytest.mark.parametrize(
    'iterations, rounds, begin, periods',
    [(60, (30, 15), 6, [24, 15, 15]), (1200, (600, 300), 120, [480, 300, 300]), (8, (4, 2), 1, [3, 2, 2])],
)
def test_rounds_are_shortened_with_the_training_that_they_are_of(iterations, rounds, begin, periods):
    config = load('bn_cbst_streets2camvid')
    config.merge_from_dict(schedule_options(config, iterations))
    assert (config.model.warmup, config.model.round_length) == rounds
    schedule = config.param_scheduler.segmentor[-1]
    assert (schedule.begin, schedule.end, schedule.periods) == (begin, iterations, periods)
    assert config.train_cfg.max_iters == iterations
