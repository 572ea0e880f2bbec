"""Every adaptation config: composed as its name says, built and trained a step on CPU, shrunk, by mmengine's runner.

Shrinking changes widths, pretrained weights and data only; optimisers, schedules, hooks, levels and policies are the
config's own.
"""

from pathlib import Path

import pytest

from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.models.vgg import scale_width
from sw_mmseg.running.norms import norm_of
from tests.helpers.config_runs import (
    ALL_NAMES,
    STEPPED_IN,
    check_sites,
    load,
    names_of,
    one_iteration,
    reloaded,
    segmentor_of,
    train,
)
from tests.helpers.slow_cases import one_in

FILES = names_of('configs/test_adaptation_configs.py')
METHODS = ('adaptsegnet', 'advent', 'fda', 'isw', 'jitter', 'minent', 'sourceonly')
NAMES = [*FILES, *(f'bn_{method}101_gta2cityscapes' for method in METHODS)]  # with --network resnet101
SMALL = ['bn_adaptsegnetsmall_streets', 'bn_iswsmall_streets', 'bn_sourceonlysmall_gta2cityscapes']
LOSSES = {
    **dict.fromkeys(('AdaptSegNet', 'AdvEnt'), {'loss_seg', 'loss_adv', 'loss_dis'}),
    'EntropyMinimization': {'loss_seg', 'loss_ent'},
    'InstanceSelectiveWhitening': {'loss_seg', 'loss_isw'},
}


def shrink(config, work_dir):
    segmentor = segmentor_of(config)
    backbone = segmentor.backbone
    if backbone.type == 'VGG16DeepLab':
        backbone.width, backbone.init_cfg = 1 / 16, None
        segmentor.decode_head.in_channels = scale_width(1024, 1 / 16)
    elif backbone.of == 'EfficientNetLite':
        backbone.init_cfg = None
    else:
        backbone.update(depth=50, stem_channels=16, base_channels=16, init_cfg=None)
        segmentor.decode_head.in_channels, segmentor.auxiliary_head.in_channels = 512, 256
    if 'discriminator' in config.model:
        config.model.discriminator.width = 4
    if config.model.type == 'InstanceSelectiveWhitening':
        config.model.update(warmup=1, compare=1)
    for name in ('val', 'test'):
        for part in ('dataloader', 'evaluator', 'cfg'):
            config.pop(f'{name}_{part}', None)
    config.train_dataloader = {
        'batch_size': config.train_dataloader.batch_size,
        'num_workers': 0,
        'dataset': {'type': 'RandomPictures', 'paired': config.train_dataloader.dataset.type == 'DomainPair'},
        'sampler': {'type': 'InfiniteSampler', 'shuffle': False},
        'collate_fn': {'type': 'pseudo_collate'},
    }
    return one_iteration(config, work_dir)


def test_every_config_is_stepped_somewhere():
    assert {name.split('_')[1] for name in ALL_NAMES} == set(STEPPED_IN)
    assert all((Path(__file__).parents[1] / file).is_file() for file in STEPPED_IN.values())


def test_the_promised_configs_are_there():
    promised = {f'bn_{method}_{data}' for method in METHODS for data in ('gta2cityscapes', 'streets')}
    promised |= {f'sw_{method}_streets' for method in ('adaptsegnet', 'sourceonly')}
    promised |= {'sw_adaptsegnet_gta2cityscapes', 'sw_adaptsegnet_folders', 'bn_oracle_streets'}
    assert promised == set(FILES)


@pytest.mark.parametrize('name', one_in(2, [*NAMES, *SMALL]))
def test_one_step(name, tmp_path):
    config = shrink(load(name), tmp_path / name)
    runner, _, losses, changed = train(config)
    assert losses
    if 'segmentor' in config.model:
        assert LOSSES[config.model.type] <= set(losses)
        assert ('discriminator' in config.model) == any(key.startswith('discriminator') for key in changed)
        check_coverage(runner.model, dict(runner.optim_wrapper.items()))
    else:
        check_coverage(runner.model, {'all': runner.optim_wrapper})
    stem = 'backbone.conv_stem' if name in SMALL else 'backbone.conv1'
    assert any(stem in key for key in changed) and any('decode_head' in key for key in changed)


@pytest.mark.parametrize('name', NAMES)
def test_norms_stand_where_the_paper_puts_them(name):
    """The first word of a name is the norm at the sites."""
    assert norm_of(load(name)) == name.split('_')[0]
    check_sites(load(name), name.split('_')[0])


@pytest.mark.parametrize(
    'name, norm',
    one_in(
        5,
        [
            (name, norm)
            for name in NAMES
            if name.startswith('bn')
            for norm in ('in', 'ibn', 'sn', 'bw', 'iw', 'sw', 'swb')
        ],
        several=True,
    ),
)
def test_every_norm_can_stand_there(name, norm):
    config = load(name, norm)
    assert norm_of(config) == norm
    check_sites(config, norm)
    plain = load(name)
    for key in plain.keys() - {'model', 'norm', 'filename'}:
        assert config[key] == plain[key], key


@pytest.mark.parametrize(
    ('name', 'norm'),
    [
        ('bn_adaptsegnet_gta2cityscapes', 'swb'),
        ('bn_minent_streets', 'in'),
        ('bn_advent101_gta2cityscapes', 'sw'),
        ('bn_jitter_streets', 'ibn'),
    ],
)
def test_a_config_with_another_norm_is_whole(name, norm, tmp_path):
    """Written and read again it trains, with that norm at the sites."""
    config = reloaded(load(name, norm), tmp_path)
    assert norm_of(config) == norm
    check_sites(reloaded(load(name, norm), tmp_path), norm)
    *_, changed = train(shrink(config, tmp_path / f'{norm}_{name}'))
    assert any('backbone.conv1' in key for key in changed)


@pytest.mark.parametrize('name', [name for name in NAMES if name.endswith('gta2cityscapes')])
def test_adaptsegnets_numbers(name):
    config = load(name)
    parts = config.optim_wrapper if 'segmentor' in config.model else {'segmentor': config.optim_wrapper}
    optimizer = parts['segmentor'].optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ('SGD', 2.5e-4, 0.9, 5e-4)
    for poly in config.param_scheduler.values() if 'segmentor' in config.model else [config.param_scheduler]:
        assert [(p.type, p.power, p.end, p.by_epoch) for p in poly] == [('PolyLR', 0.9, 250_000, False)]
    assert config.train_cfg.max_iters == 150_000 and config.train_dataloader.batch_size == 1
    if 'discriminator' in config.model:
        dis = config.optim_wrapper.discriminator.optimizer
        assert (dis.type, dis.lr, tuple(dis.betas)) == ('Adam', 1e-4, (0.9, 0.99))
    if 'segmentor' in config.model:
        weights = [tuple(level.values())[1:] for level in config.model.get('levels', [])]
        expected = [(1.0, 0.001), (0.1, 0.0002)] if '101' in name else [(1.0, 0.001)]
        if 'fda' in name:
            expected = [(1.0, 0.005), (0.1, 0.001)][: len(expected)]
        if 'isw' in name:
            expected = [weight[:1] for weight in expected] if '101' in name else []
        assert weights == expected
        assert config.model_wrapper_cfg.type == 'MMSeparateDistributedDataParallel'
    if any(word in name for word in ('sourceonly', 'jitter', 'isw')):
        assert 'target' not in config.train_dataloader.dataset and 'DomainPair' not in str(config.train_dataloader)


@pytest.mark.parametrize('method', ['adaptsegnet', 'minent', 'advent', 'isw', 'fda'])
def test_streets_methods_share_everything_but_the_method(method):
    """Same seed, same schedule, same segmentor's optimiser, same network: what differs is the method."""
    one, other = load('bn_sourceonly_streets'), load(f'bn_{method}_streets')
    assert one.randomness == other.randomness and 'seed' in one.randomness
    assert one.train_cfg == other.train_cfg and one.train_dataloader.batch_size == other.train_dataloader.batch_size
    assert one.optim_wrapper == other.optim_wrapper.segmentor
    assert one.param_scheduler == other.param_scheduler.segmentor
    source_only = {key: value for key, value in one.model.items() if key != 'data_preprocessor'}
    assert source_only == other.model.segmentor
    assert one.model.data_preprocessor == other.model.data_preprocessor
    assert one.param_scheduler[-1].end == one.train_cfg.max_iters


@pytest.mark.parametrize('data', ['streets', 'gta2cityscapes'])
def test_jitter_is_source_only_with_one_step_more_in_its_pipeline(data):
    one, other = load(f'bn_sourceonly_{data}'), load(f'bn_jitter_{data}')
    steps = other.train_dataloader.dataset.dataset.pipeline
    assert steps.pop(-2) == dict(type='PhotoMetricDistortion')
    for key in one.keys() - {'filename'}:
        assert one[key] == other[key], key
