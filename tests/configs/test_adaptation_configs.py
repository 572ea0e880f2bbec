"""Every adaptation config: composed as its name says, built and trained a step on CPU, shrunk, by mmengine's runner.

Shrinking changes widths, pretrained weights and data only; optimisers, schedules, hooks, levels and policies are the
config's own.
"""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from tiny_networks import two_domain_batch
from torch import nn
from torch.utils.data import Dataset

from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.models.vgg import scale_width
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

# The second word of a config's name -> the file beside this one that builds and steps such configs.
STEPPED_IN = {
    **dict.fromkeys(('adaptsegnet', 'adaptsegnet101', 'jitter', 'oracle', 'sourceonly', 'sourceonly101', 'minent',
                     'minent101', 'advent', 'advent101', 'isw', 'isw101', 'fda', 'fda101'), 'test_configs.py'),
    **dict.fromkeys(('fcn', 'pspnet', 'pspnet101'), 'test_scene_configs.py'),
    **dict.fromkeys(('resnet20', 'resnet44', 'resnet56', 'resnet110', 'resnet50', 'resnet50fast', 'resnet50released',
                     'resnet101', 'resnet101released', 'densenet121', 'densenet169'), 'test_classification_configs.py'),
    **dict.fromkeys(('dacs', 'dacs101', 'mic', 'mic101', 'daformer'), 'test_self_training_configs.py'),
    **dict.fromkeys(('maskrcnn', 'maskrcnnreleased'), 'test_detection_configs.py'),
    'style': 'stylization/test_stylization.py',
}
ALL_NAMES = sorted(path.stem for path in (Path(__file__).parent.parent / 'configs').glob('*.py'))
NAMES = [name for name in ALL_NAMES if STEPPED_IN.get(name.split('_')[1]) == 'test_configs.py']
LOSSES = {
    **dict.fromkeys(('AdaptSegNet', 'AdvEnt'), {'loss_seg', 'loss_adv', 'loss_dis'}),
    'EntropyMinimization': {'loss_seg', 'loss_ent'},
    'InstanceSelectiveWhitening': {'loss_seg', 'loss_isw'},
}
EXPECTED_NORM = {'sn': 'SN', 'sw': 'SWa', 'swb': 'SWb', 'bw': 'BW', 'iw': 'IW'}


def load(name):
    return Config.fromfile(Path(__file__).parent.parent / 'configs' / f'{name}.py')


def segmentor_of(config):
    return config.model.get('segmentor', config.model)


@DATASETS.register_module(force=True)
class RandomPictures(Dataset):
    """Random pictures in the form the config's data set has: of both domains or of the source alone."""

    metainfo = {'classes': [str(index) for index in range(19)], 'palette': [[index, 0, 0] for index in range(19)]}

    def __init__(self, paired, target=(32, 64)):
        self.paired, self.target = paired, target

    def __len__(self):
        return 4

    def __getitem__(self, index):
        batch = two_domain_batch(source=(64, 64), target=self.target, count=1, seed=index)
        sides = {domain: {key: value[0] for key, value in side.items()} for domain, side in batch.items()}
        return sides if self.paired else sides['source']


def shrink(config, work_dir):
    segmentor = segmentor_of(config)
    backbone = segmentor.backbone
    if backbone.type == 'VGG16DeepLab':
        backbone.width, backbone.init_cfg = 1 / 16, None
        segmentor.decode_head.in_channels = scale_width(1024, 1 / 16)
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
        'batch_size': config.train_dataloader.batch_size, 'num_workers': 0,
        'dataset': {'type': 'RandomPictures', 'paired': config.train_dataloader.dataset.type == 'DomainPair'},
        'sampler': {'type': 'InfiniteSampler', 'shuffle': False}, 'collate_fn': {'type': 'pseudo_collate'}}
    return one_iteration(config, work_dir)


def one_iteration(config, work_dir):
    """`config`, made to stop after an iteration that leaves a checkpoint and pictures."""
    for hook in config.custom_hooks:
        hook['interval'] = 1
    config.train_cfg.max_iters = 1
    config.default_hooks.checkpoint.interval = 1
    config.visualizer.name = work_dir.name  # mmengine keeps one visualizer a name
    config.update(work_dir=str(work_dir), log_level='ERROR', experiment_name=work_dir.name)
    return config


def train(config):
    """The runner that has trained `config`, what it logged, its losses, and the names of parameters that moved."""
    runner = Runner.from_cfg(config)
    init_default_scope('mmseg')
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.model.init_weights = lambda: None  # built as they are compared
    runner.train()

    logged = {key.removeprefix('train/'): value.current() for key, value in runner.message_hub.log_scalars.items()}
    losses = {key: value for key, value in logged.items() if 'loss' in key}
    moved = {key for key, value in runner.model.named_parameters() if not torch.equal(value, before[key])}
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values()), losses
    assert list(Path(config.work_dir).glob('iter_1.pth'))
    assert list(Path(config.work_dir).rglob('sample_*.png')), 'the picture hook drew nothing'
    return runner, logged, losses, moved


def test_every_config_is_stepped_somewhere():
    assert {name.split('_')[1] for name in ALL_NAMES} <= set(STEPPED_IN)
    assert all((Path(__file__).parent / file).is_file() for file in STEPPED_IN.values())


def test_there_are_configs_and_the_promised_ones_among_them():
    promised = {f'{norm}_adaptsegnet_gta2cityscapes' for norm in ('bn', 'sn', 'sw', 'swb')}
    promised |= {f'{norm}_{method}_gta2cityscapes' for norm in ('bn', 'sw') for method in ('sourceonly', 'jitter')}
    promised |= {f'{norm}_{method}{depth}_gta2cityscapes' for norm in ('bn', 'sw')
                 for method in ('minent', 'advent', 'isw') for depth in ('', '101')}
    promised |= {f'{norm}_{method}_streets' for norm in ('bn', 'in', 'sw')
                 for method in ('adaptsegnet', 'sourceonly', 'jitter', 'minent', 'advent', 'isw', 'fda')}
    assert promised <= set(NAMES)


@pytest.mark.parametrize('name', NAMES)
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
    assert any('backbone.conv1' in key for key in changed) and any('decode_head' in key for key in changed)


@pytest.mark.parametrize('name', NAMES)
def test_norms_stand_where_the_paper_puts_them(name):
    """The first part of the name is the norm at the sites; DeepLab-v2's VGG16 has five sites and no other norm."""
    config = load(name)
    segmentor = segmentor_of(config)
    segmentor.backbone.init_cfg = None
    init_default_scope('mmseg')
    backbone, norm = MODELS.build(segmentor.backbone), name.split('_')[0]
    layers = [item for item in backbone.named_modules() if isinstance(item[1], nn.modules.batchnorm._NormBase)]
    if segmentor.backbone.type == 'VGG16DeepLab':
        assert [key for key, _ in layers] == ['norm1', 'norm2', 'norm3', 'norm4', 'norm5']
        sites = layers
    else:
        sites = [item for item in layers if isinstance(item[1], SwitchWhiten2d) == (norm == 'sw')]
        # of 100 counted convolutions, 91 lie before the last stage: the first and 30 multiples of three
        assert len(sites) == (31 if norm == 'sw' else 104)
    for _, layer in sites:
        if norm in EXPECTED_NORM:
            assert isinstance(layer, SwitchWhiten2d) and layer.statistics == PRESETS[EXPECTED_NORM[norm]]
        else:
            assert type(layer) is {'bn': nn.BatchNorm2d, 'in': nn.InstanceNorm2d}[norm] and layer.affine


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
            expected = [(1.0, 0.005), (0.1, 0.001)][:len(expected)]
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
