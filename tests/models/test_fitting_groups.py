"""`norm_cfg=dict(type='SW')` in networks whose channels 16 does not divide: groups that do, and what the log says."""

import logging

import mmpretrain.models  # noqa: F401 -- registers its scope
import mmseg.models  # noqa: F401
import pytest
import torch
from mmcv.cnn import build_norm_layer
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from torch.testing import assert_close

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.models import norms
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

NETWORKS = {
    'mmpretrain.MobileNetV2': {},
    'mmpretrain.MobileNetV3': {'arch': 'small'},
    'mmpretrain.EfficientNet': {'arch': 'b0'},
    'mmpretrain.ShuffleNetV2': {},
    'mmseg.HRNet': {
        'extra': {
            'stage1': {
                'num_modules': 1,
                'num_branches': 1,
                'block': 'BOTTLENECK',
                'num_blocks': (1,),
                'num_channels': (64,),
            },
            'stage2': {
                'num_modules': 1,
                'num_branches': 2,
                'block': 'BASIC',
                'num_blocks': (1, 1),
                'num_channels': (18, 36),
            },
            'stage3': {
                'num_modules': 1,
                'num_branches': 3,
                'block': 'BASIC',
                'num_blocks': (1,) * 3,
                'num_channels': (18, 36, 72),
            },
            'stage4': {
                'num_modules': 1,
                'num_branches': 4,
                'block': 'BASIC',
                'num_blocks': (1,) * 4,
                'num_channels': (18, 36, 72, 144),
            },
        }
    },
    'mmpretrain.Res2Net': {'depth': 50, 'scales': 4, 'base_width': 26},
    'mmseg.CGNet': {},
}


def largest_divisor(channels):
    return max(size for size in range(1, 17) if channels % size == 0)


@pytest.mark.parametrize('name', NETWORKS)
def test_networks_are_built_and_every_layer_has_the_largest_groups(name):
    network = MODELS.build(dict(type=name, norm_cfg=dict(type='SW'), **NETWORKS[name]))
    layers = [module for module in network.modules() if isinstance(module, SwitchWhiten2d)]
    assert len(layers) > 10 and any(layer.group_size < 16 for layer in layers)
    assert all(
        type(layer) is SwitchWhiten2d and layer.group_size == largest_divisor(layer.num_features) for layer in layers
    )


@pytest.mark.parametrize('name, preset', [('SW', 'SWa'), ('SWb', 'SWb'), ('SN', 'SN'), ('BW', 'BW'), ('IW', 'IW')])
def test_the_layer_is_the_one_with_these_groups(name, preset):
    x = torch.randn(3, 24, 5, 7)
    _, fitted = build_norm_layer(dict(type=name), 24)
    size = {'group_size': 12} if name != 'SN' else {}
    plain = SwitchWhiten2d(24, statistics=PRESETS[preset], **size)
    assert_close(fitted(x), plain(x), rtol=0, atol=0)
    assert fitted.state_dict().keys() == plain.state_dict().keys()


def test_a_size_that_is_named_has_to_divide_and_the_class_alone_does_not_guess():
    assert build_norm_layer(dict(type='SW', group_size=8), 24)[1].group_size == 8
    with pytest.raises(ValueError, match='group_size=16 does not divide 24 channels'):
        build_norm_layer(dict(type='SW', group_size=16), 24)
    with pytest.raises(ValueError, match='group_size=16 does not divide 24 channels'):
        SwitchWhiten2d(24)


def test_each_size_is_said_once(monkeypatch):
    norms._say.cache_clear()
    logger, said = MMLogger.get_current_instance(), []
    monkeypatch.setattr(
        logger, 'log', lambda level, text: said.append((level, text)) if level > logging.DEBUG else None
    )
    for name, channels in (('SW', 24), ('SW', 24), ('BW', 24), ('SW', 40), ('SN', 20), ('SW', 64)):
        build_norm_layer(dict(type=name), channels)
    assert said == [
        (logging.INFO, '16 does not divide 24 channels: layers of SW there whiten groups of 12'),
        (logging.INFO, '16 does not divide 40 channels: layers of SW there whiten groups of 10'),
    ]
