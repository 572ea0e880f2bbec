"""He et al.'s CIFAR ResNets: parameters as published, shortcuts without any, sites as the paper lists them."""

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.models.cifar_resnet import CIFARBlock, CIFARResNet
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d, convolution_sites


def sites(depth, **norm):
    config = dict(type='SwitchSites', of='CIFARResNet', depth=depth, site_norm_cfg=norm, every=4, exclude=())
    model = MODELS.build(config)
    return model, [site.index for site in convolution_sites(model) if isinstance(site.norm, SwitchWhiten2d)]


@pytest.mark.parametrize(
    'depth, expected, last',
    [
        (20, [1, 4, 8, 12, 16], 19),  # printed in Appendix B
        (44, [1, *range(4, 43, 4)], 43),
        (56, [1, *range(4, 55, 4)], 55),
        (110, [1, *range(4, 109, 4)], 109),
    ],
)
def test_sites_of_the_paper(depth, expected, last):
    model, positions = sites(depth, type='SW')
    assert positions == expected
    assert len(convolution_sites(model)) == last and len(convolution_sites(model)) + 1 == depth  # and the classifier
    assert sum(isinstance(module, SwitchWhiten2d) for module in model.modules()) == len(expected)


def test_every_norm_and_tied_weights_at_the_sites():
    for name in ('SN', 'BW', 'IW', 'SW'):
        model, positions = sites(20, type=name)
        assert positions == [1, 4, 8, 12, 16] and model.bn1.statistics == PRESETS['SWa' if name == 'SW' else name]
    model, _ = sites(20, type='SW', statistics=PRESETS['SWb'], tie_weights=True)
    assert model.bn1.statistics == PRESETS['SWb'] and model.bn1.cov_logits is model.bn1.mean_logits


@pytest.mark.parametrize('depth, millions', [(20, 0.27), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameters_are_those_he_et_al_state(depth, millions):
    """Their Table 6; with the classifier's 650."""
    count = sum(parameter.numel() for parameter in CIFARResNet(depth).parameters()) + 650
    assert round(count / 1e6, 1 if depth == 110 else 2) == millions


def test_the_shortcut_takes_every_second_pixel_and_zeros():
    block = CIFARBlock(4, 8, 2, dict(type='BN'))
    x = torch.randn(2, 4, 6, 6)
    short = block.shortcut(x)
    assert short.shape == (2, 8, 3, 3) and torch.equal(short[:, :4, 1, 2], x[:, :, 2, 4])
    assert (short[:, 4:] == 0).all()
    nn.init.zeros_(block.bn2.weight)
    torch.testing.assert_close(block(x), short.relu())
    same = CIFARBlock(4, 4, 1, dict(type='BN'))
    assert same.shortcut(x) is x


def test_maps_freezing_and_initialisation():
    model = CIFARResNet(20, out_indices=(0, 2), frozen_stages=1, norm_eval=True)
    first, last = model(torch.randn(2, 3, 32, 32))
    assert first.shape == (2, 16, 32, 32) and last.shape == (2, 64, 8, 8)
    model.train()
    assert not any(p.requires_grad for name in ('conv1', 'bn1', 'layer1') for p in getattr(model, name).parameters())
    assert all(p.requires_grad for p in model.layer2.parameters())
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d)) and model.layer2.training
    model = CIFARResNet(110)
    model.init_weights()
    weight = model.layer3[5].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match='depth=18 is not 6n'):
        CIFARResNet(18)
    with pytest.raises(ValueError, match=r'out_indices=\(3,\)'):
        CIFARResNet(20, out_indices=(3,))
