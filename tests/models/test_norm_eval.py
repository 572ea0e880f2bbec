"""`norm_eval` of every backbone that has it: SW stays in evaluation mode wherever BatchNorm does.

Backbones find their norms by class, some by `_BatchNorm`, some by `nn.BatchNorm2d`.
"""

import importlib
import inspect

import mmcv.cnn
import pytest
import torch
from mmdet.registry import MODELS as MMDET
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as MMPRETRAIN
from mmseg.registry import MODELS as MMSEG
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.whitening import SwitchWhiten2d, convert
from tests.helpers.slow_cases import one_in

for package in ('mmseg', 'mmdet', 'mmpretrain'):  # after the plugin, which lets mmdet be imported
    importlib.import_module(f'{package}.models')
REGISTRIES = {'mmseg': MMSEG, 'mmdet': MMDET, 'mmpretrain': MMPRETRAIN}
STAGES = {
    f'stage{n + 1}': dict(
        num_modules=1,
        num_branches=max(n + 1, 1),
        block='BASIC' if n else 'BOTTLENECK',
        num_blocks=(1,) * max(n + 1, 1),
        num_channels=tuple(8 * 2**k for k in range(n + 1)),
    )
    for n in range(4)
}
# what a class needs beside `norm_eval` and `norm_cfg`
NEEDS = {
    **{
        name: dict(depth=50)
        for name in (
            'mmseg.ResNeSt',
            'mmseg.ResNet',
            'mmdet.DetectoRS_ResNeXt',
            'mmdet.ResLayer',
            'mmdet.ResNet',
            'mmpretrain.ResNet',
            'mmpretrain.SparseResNet',
        )
    },
    'mmseg.HRNet': dict(extra=STAGES),
    'mmdet.HRNet': dict(extra=STAGES),
    'mmpretrain.HRNet': dict(arch='w18'),
    'mmdet.RegNet': dict(arch='regnetx_400mf'),
    'mmpretrain.RegNet': dict(arch='regnetx_400mf'),
    'mmdet.TridentResNet': dict(depth=50, num_branch=3, test_branch_idx=1, trident_dilations=(1, 2, 3)),
    'mmpretrain.CSPDarkNet': dict(depth=53),
    'mmpretrain.MobileOne': dict(arch='s0'),
    'mmpretrain.RepVGG': dict(arch='A0'),
    'mmpretrain.VGG': dict(depth=11),
    'mmpretrain.RepLKNet': dict(
        arch=dict(large_kernel_sizes=[5, 5, 5, 5], layers=[1, 1, 1, 1], channels=[8] * 4, small_kernel=3, dw_ratio=1)
    ),
    'mmpretrain.Vig': dict(arch='tiny'),
    'mmpretrain.PyramidVig': dict(arch='tiny'),
    'mmpretrain.MoCoV3ViT': dict(arch='mocov3-small', patch_size=16),
}
# their norms are over the channels of tokens, (N, L, C), by their own test for `nn.LayerNorm`: SW refuses such inputs
OF_TOKENS = {'mmseg.BEiT', 'mmseg.VisionTransformer'}


def classes():
    """'package.name' -> class, of those with `norm_eval`, one for each `train` that a package defines."""
    chosen, trains = {}, set()
    for package, registry in REGISTRIES.items():
        for name, kind in sorted(registry.module_dict.items()):
            if not (inspect.isclass(kind) and issubclass(kind, nn.Module) and kind.__module__.startswith(package)):
                continue
            if 'norm_eval' in arguments(kind) and kind.train not in trains:
                trains.add(kind.train)
                chosen[f'{package}.{name}'] = kind
    return chosen


def arguments(kind):
    return {
        name
        for base in kind.__mro__
        if '__init__' in vars(base) and base.__module__.startswith('mm')
        for name in inspect.signature(base.__init__).parameters
    }


CLASSES = classes()


def built(name, norm):
    kind, options = CLASSES[name], dict(NEEDS.get(name, {}))
    if 'norm_cfg' in arguments(kind):
        options['norm_cfg'] = dict(norm)
    with DefaultScope.overwrite_default_scope(name.partition('.')[0]):
        return kind(norm_eval=True, **options)


def in_training(model):
    model.train()  # which returns nothing in OpenMMLab's backbones
    return {name for name, module in model.named_modules() if isinstance(module, _BatchNorm) and module.training}


def test_the_list_has_what_is_known_to_test_for_batchnorm2d():
    assert {
        'mmpretrain.EfficientNet',
        'mmpretrain.EfficientNetV2',
        'mmpretrain.ShuffleNetV2',
        'mmdet.EfficientNet',
        'mmdet.ResLayer',
        'mmseg.MobileNetV2',
        'mmpretrain.MobileNetV2',
    } <= set(CLASSES) and len(CLASSES) > 30
    assert set(NEEDS) | OF_TOKENS <= {
        f'{package}.{name}' for package, registry in REGISTRIES.items() for name in registry.module_dict
    }


@pytest.mark.parametrize('name', one_in(3, sorted(set(CLASSES) - OF_TOKENS)))
def test_sw_is_frozen_where_batchnorm_is(name):
    plain = in_training(built(name, dict(type='BN')))
    model = built(name, dict(type='SW', group_size=1))
    if not any(isinstance(module, SwitchWhiten2d) for module in model.modules()):
        convert(model)  # it writes nn.BatchNorm2d itself
    assert in_training(model) == plain
    switching = [module for module in model.modules() if isinstance(module, SwitchWhiten2d)]
    assert switching and (plain or not any(layer.training for layer in switching))


@pytest.mark.parametrize('name', sorted(OF_TOKENS))
def test_sw_is_refused_on_tokens(name):
    layer = next(module for module in built(name, dict(type='SW')).modules() if isinstance(module, SwitchWhiten2d))
    with pytest.raises(ValueError, match='expects a 4-d input'):
        layer(torch.randn(2, 9, layer.num_features))


@pytest.mark.parametrize(
    'network', [lambda: mmcv.cnn.ResNet(18), lambda: mmcv.cnn.VGG(11, with_bn=True)], ids=['ResNet', 'VGG']
)
def test_mmcvs_own_networks_freeze_it(network):
    model = network()
    convert(model)
    assert not in_training(model)
