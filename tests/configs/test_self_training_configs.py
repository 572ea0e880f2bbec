"""Every self-training config: composed as its name says, built and trained a step on CPU, shrunk, by mmengine's runner.

Shrinking changes widths, depths, pretrained weights, data and the size of patches only; optimisers, schedules, hooks,
thresholds and policies are the config's own.
"""

import pytest
import torch

from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.models.vgg import scale_width
from sw_mmseg.running.norms import NormError, norm_of
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.config_runs import OMEGA, StartHook, check_sites, load, names_of, one_iteration, reloaded, train
from tests.helpers.slow_cases import one_in

FILES = names_of('configs/test_self_training_configs.py')
NAMES = [*FILES, 'bn_dacs101_gta2cityscapes', 'bn_mic101_gta2cityscapes']  # with --network resnet101
FOREIGN = {'mitb5': 'MixVisionTransformer', 'convnext': 'TIMMBackbone', 'dinov2': 'TIMMBackbone'}
LEVELS = {'mitb5': [8, 16, 40, 64], 'convnext': [40, 80, 160, 320], 'dinov2': [48] * 4}


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
    pictures = {'type': 'RandomPictures', 'target': (64, 64)}
    loader = {'num_workers': 0, 'collate_fn': {'type': 'pseudo_collate'}}
    size = config.train_dataloader.batch_size
    config.train_dataloader = {
        **loader,
        'batch_size': size,
        'dataset': {**pictures, 'paired': True},
        'sampler': {'type': 'InfiniteSampler', 'shuffle': False},
    }
    config.val_dataloader = {
        **loader,
        'batch_size': 1,
        'dataset': {**pictures, 'paired': False},
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
    }
    for part in ('dataloader', 'evaluator', 'cfg'):
        config.pop(f'test_{part}', None)
    for hook in config.custom_hooks:
        if 'window' in hook:
            hook['window'] = 1
    config.train_cfg.val_interval = 2
    return one_iteration(config, work_dir)


def test_there_are_configs_and_the_promised_ones_among_them():
    promised = {f'bn_{method}_gta2cityscapes' for method in ('dacs', 'mic')}
    promised |= {'bn_dacs_streets', 'bn_mic_streets', 'mitb5_mic_gta2cityscapes'}
    promised |= {f'{kind}_daformer_gta2cityscapes' for kind in FOREIGN}
    assert promised == set(FILES)


@pytest.mark.parametrize('name', one_in(2, NAMES))
def test_one_step(name, tmp_path):
    runner, logged, losses, changed = train(shrink(load(name), tmp_path / name))
    assert set(losses) == {'loss_seg', 'loss_mix'} | ({'loss_mask'} if '_mic' in name else set()) | (
        {'loss_features'} if name.split('_')[0] in FOREIGN else set()
    )
    assert {'pseudo_share', 'pseudo_classes', 'acc_seg'} <= set(logged)
    assert ('pseudo_accuracy' in logged) == name.endswith('streets')
    assert any('segmentor.backbone' in key for key in changed) and any('decode_head' in key for key in changed)
    # the teacher's first update is to the student as it began, and the start of the feature distance stays
    begin = next(hook for hook in runner.hooks if isinstance(hook, StartHook)).state
    teacher = dict(runner.model.teacher.named_parameters())
    assert len(teacher) > 10
    for key, value in teacher.items():
        assert torch.equal(value, begin[f'segmentor.{key.partition(".")[2]}']), key
    assert not any(key.startswith('feature_distance') for key in changed)
    check_coverage(runner.model, dict(runner.optim_wrapper.items()))


@pytest.mark.parametrize('name', NAMES)
def test_networks_and_norms_are_what_the_name_says(name):
    config, first = load(name), name.split('_')[0]
    if first in FOREIGN:
        assert config.model.segmentor.backbone.type == FOREIGN[first]
        assert config.model.segmentor.decode_head.type == 'DAFormerHead'
        with pytest.raises(NormError, match='without sites'):
            norm_of(config)
        return
    check_sites(config, first)


@pytest.mark.parametrize(
    'name, norm',
    one_in(
        5,
        [(name, norm) for name in NAMES if name.startswith('bn') for norm in ('in', 'sn', 'bw', 'iw', 'sw', 'swb')],
        several=True,
    ),
)
def test_every_norm_can_stand_there(name, norm):
    config = load(name, norm)
    assert norm_of(config) == norm
    check_sites(config, norm)


@pytest.mark.parametrize(('name', 'norm'), [('bn_mic_streets', 'sw'), ('bn_dacs101_gta2cityscapes', 'swb')])
def test_a_config_with_another_norm_is_whole(name, norm, tmp_path):
    """Written and read again it trains, the teacher with the same norm at its sites."""
    config = reloaded(load(name, norm), tmp_path)
    runner, *_ = train(shrink(config, tmp_path / f'{norm}_{name}'))
    sites = {key: layer.statistics for key, layer in runner.model.named_modules() if isinstance(layer, SwitchWhiten2d)}
    count = 5 if name.endswith('streets') else 1 + 3 + 4 + 6  # as a ResNet-50, shrunk: the stem and conv2 of blocks
    for part in ('segmentor.', 'teacher.'):
        part_sites = [statistics for key, statistics in sites.items() if key.startswith(part)]
        assert part_sites == [OMEGA[norm]] * count


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
        (crop,) = (step for step in dataset[side].pipeline if step.type == 'RandomCrop')
        assert tuple(crop.crop_size) == (512, 512)


def test_streets_methods_share_everything_but_the_method():
    one, other = load('bn_sourceonly_streets'), load('bn_mic_streets')
    assert one.train_cfg == other.train_cfg and one.randomness == other.randomness
    assert one.optim_wrapper == other.optim_wrapper.segmentor
    assert one.param_scheduler == other.param_scheduler.segmentor
    assert {key: value for key, value in one.model.items() if key != 'data_preprocessor'} == other.model.segmentor
    assert load('bn_adaptsegnet_streets').train_dataloader == other.train_dataloader
