"""Every classification config: norms where the paper lists them, its schedule, and a step on CPU, shrunk.

Shrinking changes widths of ImageNet networks and where images come from; pipelines, optimisers, schedules and hooks
are the config's own.
"""

import mmpretrain.datasets
import mmpretrain.models  # noqa: F401 -- registers its scope
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.models.released import convert_released, released_norms
from sw_mmseg.running.norms import norm_of
from sw_mmseg.whitening import SwitchWhiten2d, convolution_sites
from tests.helpers.config_runs import OMEGA, StartHook, load, names_of, reloaded
from tests.helpers.released_networks import published_network, published_state
from tests.helpers.slow_cases import one_in, slow

NAMES = names_of('configs/test_classification_configs.py')
# convolutions whose norm is replaced, counted as the paper counts
SITES = {
    'resnet20': [1, 4, 8, 12, 16],
    'resnet44': [1, *range(4, 41, 4)],
    'resnet56': [1, *range(4, 53, 4)],
    'resnet110': [1, *range(4, 109, 4)],
    'resnet50': [1, 6, 12, 18, 24, 30, 36],
    'resnet50fast': [1, 6, 12, 18, 24, 30, 36],
    'resnet101': [1, *range(6, 91, 6)],
    'resnet50released': [1, 6, 15, 21, 27, 33, 39],
    'resnet101released': [1, 6, 15, 21, *range(27, 88, 6)],
}
RELEASED = {
    'resnet50': 'resnet50released',
    'resnet101': 'resnet101released',
    'densenet121': 'densenet121',
    'densenet169': 'densenet169',
}


@pytest.fixture(autouse=True)
def _mmpretrain():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


@DATASETS.register_module(force=True)
class RandomImages(Dataset):
    """Random images, as a data set has them, through a config's own pipeline."""

    def __init__(self, pipeline, size, classes):
        self.pipeline, self.size, self.classes = Compose(pipeline), size, classes
        self.metainfo = {'classes': tuple(map(str, range(classes)))}

    def __len__(self):
        return 8

    def __getitem__(self, index):
        image = np.random.default_rng(index).integers(0, 256, (self.size, self.size, 3), dtype=np.uint8)
        return self.pipeline({'img': image, 'gt_label': index % self.classes, 'img_shape': image.shape[:2]})


def test_the_promised_configs_are_there():
    promised = {f'bn_resnet{depth}_cifar10' for depth in (20, 44, 56, 110)} | {'sw_resnet20_cifar10'}
    promised |= {f'bn_resnet{depth}_cifar100' for depth in (20, 110)} | {'swtied_resnet20_cifar10'}
    promised |= {f'bn_{network}_imagenet' for network in ('resnet50', 'resnet50fast', 'resnet101')}
    promised |= {f'sw_densenet{depth}_imagenet' for depth in (121, 169)} | {'sw_resnet50_imagenet'}
    promised |= {f'sw_resnet{depth}released_imagenet' for depth in (50, 101)}
    promised |= {'bn_resnet20_digits', 'sw_resnet20_digits', 'bn_resnet20_streetcrops'}
    assert promised == set(NAMES)


def check_sites(config, network, norm, tied=False):
    """The norm at the sites that the paper lists, BN everywhere else."""
    model = MODELS.build(config.model)
    switching = {key: layer for key, layer in model.backbone.named_modules() if isinstance(layer, SwitchWhiten2d)}
    if norm == 'bn':
        assert not switching and any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    elif network in SITES:
        sites = [site for site in convolution_sites(model.backbone) if isinstance(site.norm, SwitchWhiten2d)]
        assert [site.index for site in sites] == SITES[network] and len(switching) == len(sites)
    for layer in switching.values():
        assert layer.statistics == OMEGA[norm] and layer.tie_weights == tied
    arch = next((arch for arch, released in RELEASED.items() if released == network), None)
    if arch and norm != 'bn':
        assert list(switching) == released_norms(arch, 'backbone')
    return model


@pytest.mark.parametrize('name', NAMES)
def test_norms_stand_where_they_belong(name):
    first, network, data = name.split('_')
    config = load(name)
    norm = 'sw' if first == 'swtied' else first
    assert norm_of(config) == norm
    model = check_sites(config, network, norm, first == 'swtied')
    assert (
        model.head.fc.out_features
        == config.num_classes
        == {'cifar10': 10, 'cifar100': 100, 'digits': 10, 'streetcrops': 9, 'imagenet': 1000}[data]
    )


ROWS = [
    (name, norm)
    for name in NAMES
    if name.startswith('bn')
    for norm in OMEGA
    if 'imagenet' not in name or norm == 'sw' or name == 'bn_resnet50_imagenet'
]
ROWS += [(f'sw_densenet{depth}_imagenet', norm) for depth in (121, 169) for norm in ('bn', 'swb')]


@pytest.mark.parametrize('name, norm', one_in(4, ROWS, several=True))
def test_every_norm_can_stand_there(name, norm):
    """Rows of Table 2: a leaf with `--norm`."""
    config = load(name, norm)
    assert norm_of(config) == norm
    check_sites(config, name.split('_')[1], norm)


@pytest.mark.parametrize(
    ('name', 'norm'),
    [
        ('bn_resnet20_cifar100', 'swb'),
        ('bn_resnet50_imagenet', 'sn'),
        slow('bn_resnet50fast_imagenet', 'sw'),  # is compiled
        ('sw_densenet121_imagenet', 'swb'),
    ],
)
def test_a_config_with_another_norm_is_whole(name, norm, tmp_path):
    config = reloaded(load(name, norm), tmp_path)
    check_sites(config, name.split('_')[1], norm)
    changed, moved_switches, frozen = step(config, tmp_path / f'{norm}_{name}')
    assert 'head.fc.weight' in changed and moved_switches != frozen


def shrink(config, work_dir):
    backbone, size = config.model.backbone, 32
    if backbone.of == 'ResNet':
        backbone.update(base_channels=16, stem_channels=16)
        config.model.head.in_channels, size = 512, 64
    elif backbone.of == 'DenseNet':
        depths, channels = {'121': ([6, 12, 24, 16], 512), '169': ([6, 12, 32, 32], 832)}[backbone.arch]
        backbone.arch = dict(growth_rate=16, depths=depths, init_channels=32)
        config.model.head.in_channels, size = channels, 64
    pipeline = [step for step in config.train_pipeline if step.type != 'LoadImageFromFile']
    for step in pipeline:
        if step.type == 'RandomResizedCrop':
            step.scale = 64
    config.train_dataloader = {
        'batch_size': 2,
        'num_workers': 0,
        'sampler': {'type': 'InfiniteSampler', 'shuffle': False},
        'dataset': {'type': 'RandomImages', 'pipeline': pipeline, 'size': size, 'classes': config.num_classes},
    }
    for name in ('val', 'test'):
        for part in ('dataloader', 'evaluator', 'cfg'):
            config.pop(f'{name}_{part}', None)
    for hook in config.custom_hooks:
        hook.update({'interval': 1} if 'interval' in hook else {'end': 0} if 'end' in hook else {})
    if config.get('compile'):
        config.compile = {'backend': 'eager'}  # traced as for a GPU, but without minutes of code generation
    config.train_cfg.max_iters = 1
    config.default_hooks.checkpoint.interval = 1
    config.visualizer.update(name=work_dir.name, vis_backends=[])  # mmengine keeps one visualizer a name
    config.update(work_dir=str(work_dir), log_level='ERROR', experiment_name=work_dir.name)
    return config


def step(config, work_dir):
    """An iteration: what it changed, whether switches are among it, and whether the config holds them still."""
    shrink(config, work_dir)
    runner, start = Runner.from_cfg(config), StartHook()
    runner.register_hook(start)
    runner.train()
    logged = {key.removeprefix('train/'): value.current() for key, value in runner.message_hub.log_scalars.items()}
    assert np.isfinite(logged['loss']) and 'accuracy_top-1' in logged
    check_coverage(runner.model, {'all': runner.optim_wrapper})
    assert list(work_dir.glob('iter_1.pth'))
    changed = start.changed(runner.model)
    assert any(key.startswith(('backbone.conv1', 'backbone.stem')) for key in changed)
    frozen = any(hook.type == 'FreezeRatiosHook' for hook in config.custom_hooks)
    return changed, any('cov_logits' in key or 'mean_logits' in key for key in changed), frozen


@pytest.mark.parametrize('name', one_in(2, NAMES))
def test_one_step(name, tmp_path):
    changed, moved_switches, frozen = step(load(name), tmp_path / name)
    assert 'head.fc.weight' in changed
    if name.startswith('sw'):
        assert moved_switches != frozen


@pytest.mark.parametrize('norm', ['bn', 'sw'])
def test_the_fast_recipe_differs_in_speed_alone(norm):
    plain, fast = load('bn_resnet50_imagenet', norm), load('bn_resnet50fast_imagenet', norm)
    assert fast.compile is True and fast.optim_wrapper.type == 'Bfloat16OptimWrapper'
    assert fast.custom_hooks == [*plain.custom_hooks, dict(type='ChannelsLastHook')]
    for key in ('model', 'train_dataloader', 'param_scheduler', 'train_cfg'):
        assert fast[key] == plain[key]
    assert fast.optim_wrapper.optimizer == plain.optim_wrapper.optimizer


@pytest.mark.parametrize('name', [name for name in NAMES if 'cifar' in name])
def test_he_et_als_numbers(name):
    config = load(name)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.1, 0.9, 1e-4)
    *warmup, steps = config.param_scheduler
    assert (steps.milestones, steps.gamma, steps.by_epoch) == ([32_000, 48_000], 0.1, False)
    assert [(step.factor, step.end) for step in warmup] == ([(0.1, 400)] if 'resnet110' in name else [])
    assert config.train_cfg.max_iters == 64_000 and config.train_dataloader.batch_size == 128
    freeze = next(hook for hook in config.custom_hooks if hook.type == 'FreezeRatiosHook')
    assert freeze.end == 80 * 391 and 391 == -(-50_000 // 128)
    names = config.train_dataloader.dataset.dataset.name, config.val_dataloader.dataset.name
    assert set(names) == {name.split('_')[2].upper()}


@pytest.mark.parametrize('name', [name for name in NAMES if 'imagenet' in name])
def test_imagenets_numbers(name):
    config = load(name)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.1, 0.9, 1e-4)
    epoch = -(-1_281_167 // 256)
    (steps,) = config.param_scheduler
    assert steps.milestones == [30 * epoch, 60 * epoch, 90 * epoch] and config.train_cfg.max_iters == 100 * epoch
    assert next(hook for hook in config.custom_hooks if hook.type == 'FreezeRatiosHook').end == 30 * epoch
    assert 8 * config.train_dataloader.batch_size == 256 == config.auto_scale_lr.base_batch_size


@pytest.mark.parametrize('arch', RELEASED)
@torch.no_grad()
def test_a_converted_checkpoint_fits_its_config_and_computes_the_same(arch):
    network = published_network(arch).double()
    released = convert_released(published_state(network, arch))
    model = MODELS.build(load(f'sw_{RELEASED[arch]}_imagenet').model).double().eval()
    model.load_state_dict(released.state, strict=True)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(model(images, mode='tensor'), network(images), rtol=1e-9, atol=1e-9)
