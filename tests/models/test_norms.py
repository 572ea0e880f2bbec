"""SW as a norm type: in every scope, and in every list by which OpenMMLab recognises a norm."""

import subprocess
import sys

import mmengine.model
import mmpretrain.models  # noqa: F401 -- registers its scope
import mmseg.models  # noqa: F401
import pytest
import torch
from mmcv.cnn import ConvModule, build_norm_layer, is_norm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmseg.models.decode_heads import EncHead
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.models.norms import NORMS
from sw_mmseg.openmmlab import register
from sw_mmseg.whitening import PRESETS, SwitchWhiten1d, SwitchWhiten2d
from sw_mmseg.whitening.layer import SwitchWhiten

OMEGA = {'SW': PRESETS['SWa'], 'SN': PRESETS['SN'], 'BW': PRESETS['BW'], 'IW': PRESETS['IW']}


@pytest.mark.parametrize('scope', ['mmengine', 'mmseg', 'mmpretrain'])
@pytest.mark.parametrize('name', OMEGA)
def test_norm_types_build_in_every_scope(name, scope):
    with DefaultScope.overwrite_default_scope(scope):
        attribute, norm = build_norm_layer(dict(type=name, requires_grad=False), 32, postfix=2)
    assert attribute == 'bn2' and norm.statistics == OMEGA[name] and is_norm(norm)
    assert not any(parameter.requires_grad for parameter in norm.parameters())


# alone in a process: the plugin serves the compiled operators that mmdet imports
IN_MMDET = """
import sw_mmseg.plugin
import mmdet.models
from mmengine.registry import DefaultScope
with DefaultScope.overwrite_default_scope('mmdet'):
    from mmdet.registry import MODELS
    model = MODELS.build(dict(type='ResNet', depth=50, norm_cfg=dict(type='SW')))
print(type(model).__module__, type(model.bn1).__name__, model.bn1.statistics)
"""


def test_norm_type_builds_in_mmdet():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', IN_MMDET], capture_output=True, text=True)
    assert "mmdet.models.backbones.resnet SwitchWhiten2d ('bw', 'iw')" in done.stdout, done.stderr


def test_options_reach_the_layer_and_typos_do_not():
    _, norm = build_norm_layer(dict(type='SW', statistics=PRESETS['SWb'], group_size=8, inverse_sqrt='eigh'), 32)
    assert (norm.statistics, norm.group_size, norm.inverse_sqrt) == (PRESETS['SWb'], 8, 'eigh')
    for name in NORMS:
        with pytest.raises(TypeError, match='groups'):
            build_norm_layer(dict(type=name, groups=8), 32)


def test_conv_module_leaves_out_the_bias():
    module = ConvModule(3, 16, 3, norm_cfg=dict(type='SW'))
    assert module.conv.bias is None and isinstance(module.norm, SwitchWhiten2d)
    assert module(torch.randn(2, 3, 8, 8)).shape == (2, 16, 6, 6)


def resnet(**options):
    return MODELS.build(dict(type='mmseg.ResNet', depth=50, norm_cfg=dict(type='SW'), **options))


def test_norm_eval_and_frozen_stages():
    model = resnet(norm_eval=True, frozen_stages=1)
    model.train()
    norms = [module for module in model.modules() if isinstance(module, SwitchWhiten2d)]
    assert len(norms) == 53 and not any(norm.training for norm in norms)
    assert not any(p.requires_grad for p in model.layer1.parameters())
    assert all(p.requires_grad for p in model.layer2.parameters())


def test_initialisation_treats_it_as_a_norm():
    model = resnet(init_cfg=[dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=0.7, layer='_BatchNorm')])
    model.init_weights()
    assert all((norm.weight == 0.7).all() for norm in model.modules() if isinstance(norm, SwitchWhiten2d))
    assert (model.bn1.mean_logits == 1).all()


@pytest.mark.parametrize('name', OMEGA)
def test_initialisation_reaches_the_presets(name):
    model = MODELS.build(
        dict(
            type='mmseg.ResNet',
            depth=18,
            norm_cfg=dict(type=name),
            init_cfg=dict(type='Constant', val=0.7, layer='_BatchNorm'),
        )
    )
    model.init_weights()
    assert (model.bn1.weight == 0.7).all()


def test_no_weight_decay_on_norms():
    model = resnet()
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            paramwise_cfg=dict(norm_decay_mult=0.0),
            optimizer=dict(type='SGD', lr=0.1, weight_decay=1e-4),
        ),
    )
    decay = {id(p): group['weight_decay'] for group in wrapper.param_groups for p in group['params']}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            assert decay[id(parameter)] == (0 if isinstance(module, SwitchWhiten2d) else 1e-4)


def test_converters_to_sync_batchnorm_leave_it():
    register()  # a second time changes nothing
    for convert in (nn.SyncBatchNorm.convert_sync_batchnorm, mmengine.model.convert_sync_batchnorm):
        model = nn.Sequential(nn.Conv2d(3, 16, 1), SwitchWhiten2d(16), nn.Sequential(nn.BatchNorm2d(16)))
        whitening = model[1]
        converted = convert(model)
        assert converted[1] is whitening and isinstance(converted[2][0], nn.SyncBatchNorm)


def test_reverting_sync_batchnorm_leaves_it():
    model = nn.Sequential(nn.Conv2d(3, 16, 1), SwitchWhiten2d(16), nn.SyncBatchNorm(16))
    whitening = model[1]
    reverted = mmengine.model.revert_sync_batchnorm(model)
    assert reverted[1] is whitening and not isinstance(reverted[2], nn.SyncBatchNorm)
    assert reverted(torch.randn(2, 3, 4, 4)).shape == (2, 16, 4, 4)


def test_encnet_makes_a_layer_for_vectors_of_sw2d():
    """As it makes BN1d of BN; of the name SW alone it would make another SW for images."""
    options = dict(in_channels=[32, 32], in_index=[0, 1], channels=16, num_codes=4, num_classes=3)
    head = EncHead(**options, norm_cfg=dict(type='SW2d'), add_lateral=False)
    kinds = [type(module) for module in head.modules() if isinstance(module, SwitchWhiten)]
    assert SwitchWhiten1d in kinds and SwitchWhiten2d in kinds
    head([torch.randn(2, 32, 6, 6)] * 2)[0].square().sum().backward()
