"""Every self-training config: composed as its name says, built and trained a step on CPU, shrunk, by mmengine's runner.

Shrinking changes widths, depths, pretrained weights, data and the size of patches only; optimisers, schedules, hooks,
thresholds and policies are the config's own.
"""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from test_configs import ALL_NAMES, EXPECTED_NORM, STEPPED_IN, load
from tiny_networks import two_domain_batch
from torch import nn
from torch.utils.data import Dataset

from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.models.vgg import scale_width
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

NAMES = [name for name in ALL_NAMES if STEPPED_IN.get(name.split('_')[1]) == 'test_self_training_configs.py']
FOREIGN = {'mitb5': 'MixVisionTransformer', 'convnext': 'TIMMBackbone', 'dinov2': 'TIMMBackbone'}
LEVELS = {'mitb5': [8, 16, 40, 64], 'convnext': [40, 80, 160, 320], 'dinov2': [48] * 4}


@DATASETS.register_module(force=True)
class RandomPairs(Dataset):
    """Random pictures of both domains, of one size, or labelled ones alone."""

    metainfo = {'classes': [str(index) for index in range(19)], 'palette': [[index, 0, 0] for index in range(19)]}

    def __init__(self, paired=True):
        self.paired = paired

    def __len__(self):
        return 4

    def __getitem__(self, index):
        batch = two_domain_batch(source=(64, 64), target=(64, 64), count=1, seed=index)
        sides = {domain: {key: value[0] for key, value in side.items()} for domain, side in batch.items()}
        return sides if self.paired else sides['source']


def shrink_network(segmentor, kind):
    backbone, head = segmentor.backbone, segmentor.decode_head
    if backbone.type == 'VGG16DeepLab':
        backbone.width, backbone.init_cfg = 1 / 16, None
        head.in_channels = scale_width(1024, 1 / 16)
    elif backbone.type == 'SwitchSites':
        backbone.update(depth=50, stem_channels=16, base_channels=16, init_cfg=None)
        head.in_channels = 512
    else:
        head.update(in_channels=LEVELS[kind], channels=16)
        if kind == 'mitb5':
            backbone.update(embed_dims=8, num_layers=[1, 1, 2, 1], init_cfg=None)
        elif kind == 'convnext':
            backbone.update(model_name='convnext_atto', pretrained=False)
        else:
            backbone.update(model_name='vit_small_patch14_dinov2', pretrained=False, embed_dim=48, num_heads=3)


def shrink(config, work_dir):
    shrink_network(config.model.segmentor, work_dir.name.split('_')[0])
    if config.model.get('masking'):
        config.model.masking.block = 16
    if config.model.get('ignore_rows'):
        config.model.ignore_rows = (2, 8)
    loader = {'num_workers': 0, 'collate_fn': {'type': 'pseudo_collate'}}
    size = config.train_dataloader.batch_size
    config.train_dataloader = {**loader, 'batch_size': size, 'dataset': {'type': 'RandomPairs'},
                               'sampler': {'type': 'InfiniteSampler', 'shuffle': False}}
    config.val_dataloader = {**loader, 'batch_size': 1, 'dataset': {'type': 'RandomPairs', 'paired': False},
                             'sampler': {'type': 'DefaultSampler', 'shuffle': False}}
    for part in ('dataloader', 'evaluator', 'cfg'):
        config.pop(f'test_{part}', None)
    for hook in config.custom_hooks:
        hook['interval'] = 1
        if 'window' in hook:
            hook['window'] = 1
    config.train_cfg.update(max_iters=1, val_interval=2)
    config.default_hooks.checkpoint.interval = 1
    config.visualizer.name = work_dir.name  # mmengine keeps one visualizer a name
    config.update(work_dir=str(work_dir), log_level='ERROR', experiment_name=work_dir.name)
    return config


def test_there_are_configs_and_the_promised_ones_among_them():
    methods = ('dacs', 'dacs101', 'mic', 'mic101')
    promised = {f'{norm}_{method}_gta2cityscapes' for norm in ('bn', 'sw') for method in methods}
    promised |= {f'{norm}_dacs_streets' for norm in ('bn', 'in', 'iw', 'sn', 'bw', 'sw', 'swb')}
    promised |= {f'{norm}_mic_streets' for norm in ('bn', 'in', 'sw')}
    promised |= {f'{kind}_daformer_gta2cityscapes' for kind in FOREIGN} | {'mitb5_mic_gta2cityscapes'}
    assert promised <= set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_one_step(name, tmp_path):
    config = shrink(load(name), tmp_path / name)
    runner = Runner.from_cfg(config)
    init_default_scope('mmseg')
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.model.init_weights = lambda: None  # built as they are compared
    runner.train()

    logged = {key.removeprefix('train/'): value.current() for key, value in runner.message_hub.log_scalars.items()}
    losses = {key: value for key, value in logged.items() if 'loss' in key}
    assert set(losses) == {'loss_seg', 'loss_mix'} | ({'loss_mask'} if '_mic' in name else set()) | (
        {'loss_features'} if name.split('_')[0] in FOREIGN else set())
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values()), losses
    assert {'pseudo_share', 'pseudo_classes', 'acc_seg'} <= set(logged)
    assert ('pseudo_accuracy' in logged) == name.endswith('streets')
    changed = {key for key, value in runner.model.named_parameters() if not torch.equal(value, before[key])}
    assert any('segmentor.backbone' in key for key in changed) and any('decode_head' in key for key in changed)
    # the teacher's first update is to the student it began as, and the start of the feature distance stays
    assert not any(key.startswith(('teacher', 'feature_distance')) for key in changed)
    check_coverage(runner.model, dict(runner.optim_wrapper.items()))
    assert list((tmp_path / name).glob('iter_1.pth'))
    assert list((tmp_path / name).rglob('sample_*.png')), 'the picture hook drew nothing'


@pytest.mark.parametrize('name', NAMES)
def test_networks_and_norms_are_what_the_name_says(name):
    segmentor, first = load(name).model.segmentor, name.split('_')[0]
    if first in FOREIGN:
        assert segmentor.backbone.type == FOREIGN[first] and segmentor.decode_head.type == 'DAFormerHead'
        return
    segmentor.backbone.init_cfg = None
    init_default_scope('mmseg')
    backbone = MODELS.build(segmentor.backbone)
    layers = [layer for layer in backbone.modules() if isinstance(layer, nn.modules.batchnorm._NormBase)]
    if '101' in name:
        assert sum(isinstance(layer, SwitchWhiten2d) for layer in layers) == (31 if first == 'sw' else 0)
        return
    assert len(layers) == 5
    for layer in layers:
        if first in EXPECTED_NORM:
            assert isinstance(layer, SwitchWhiten2d) and layer.statistics == PRESETS[EXPECTED_NORM[first]]
        else:
            assert type(layer) is {'bn': nn.BatchNorm2d, 'in': nn.InstanceNorm2d}[first] and layer.affine


def test_daformers_numbers():
    config = load('mitb5_daformer_gta2cityscapes')
    wrapper, warm, poly = config.optim_wrapper.segmentor, *config.param_scheduler.segmentor
    assert (wrapper.optimizer.type, wrapper.optimizer.lr, wrapper.optimizer.weight_decay) == ('AdamW', 6e-5, 0.01)
    assert wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult == 10
    assert (warm.type, warm.end, poly.type, poly.power, poly.end) == ('LinearLR', 1500, 'PolyLR', 1.0, 40_000)
    assert (config.model.alpha, config.model.threshold, config.model.ignore_rows) == (0.999, 0.968, (15, 120))
    assert config.model.feature_distance == {'weight': 0.005}
    assert config.train_cfg.max_iters == 40_000 and config.train_dataloader.batch_size == 2
    dataset = config.train_dataloader.dataset
    assert dataset.rare_class_sampling.temperature == 0.01
    for side in ('source', 'target'):
        crop, = (step for step in dataset[side].pipeline if step.type == 'RandomCrop')
        assert tuple(crop.crop_size) == (512, 512)


def test_streets_methods_share_everything_but_the_method():
    one, other = load('bn_sourceonly_streets'), load('bn_mic_streets')
    assert one.train_cfg == other.train_cfg and one.randomness == other.randomness
    assert one.optim_wrapper == other.optim_wrapper.segmentor
    assert one.param_scheduler == other.param_scheduler.segmentor
    assert {key: value for key, value in one.model.items() if key != 'data_preprocessor'} == other.model.segmentor
    assert load('bn_adaptsegnet_streets').train_dataloader == other.train_dataloader
