"""Position embeddings at other sizes: torch's antialiased interpolation and timm's own networks are the oracles."""

import pytest
import timm
import torch
import torch.nn.functional as F

from sw_mmseg.models import TimmFeatures
from sw_mmseg.models.timm_features import build_timm
from sw_mmseg.models.timm_positions import cubic_weights, positions_at, resampled_positions


@pytest.mark.parametrize('old, new', [((10, 10), (16, 12)), ((7, 9), (3, 4)), ((5, 6), (5, 6)), ((37, 37), (24, 65))])
def test_two_products_are_the_antialiased_interpolation(old, new):
    positions = torch.randn(1, 2 + old[0] * old[1], 8)
    grid = positions[:, 2:].reshape(1, *old, 8).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, new, mode='bicubic', antialias=True).flatten(2).transpose(1, 2)
    resampled = resampled_positions(positions, old, new, 2)
    torch.testing.assert_close(resampled, torch.cat([positions[:, :2], grid], 1), atol=1e-5, rtol=1e-5)


def test_weights_add_up_to_one_and_are_the_identity_at_one_size():
    torch.testing.assert_close(cubic_weights(7, 7), torch.eye(7))
    torch.testing.assert_close(cubic_weights(9, torch.tensor(4)).sum(1), torch.ones(4))


@torch.no_grad()
@pytest.mark.parametrize('name', ['test_vit', 'test_vit2', 'vit_tiny_patch16_dinov3_qkvb'])
def test_a_network_gives_what_timm_gives_and_is_as_before_afterwards(name):
    net, image = TimmFeatures(name).eval().net, torch.randn(2, 3, 48, 80)
    before = net.forward_features(image)
    with positions_at(net, (48, 80)):
        torch.testing.assert_close(net.forward_features(image), before, atol=1e-4, rtol=1e-4)
    assert torch.equal(net.forward_features(image), before)
    assert net.pos_embed is None or isinstance(net.pos_embed, torch.nn.Parameter)


@pytest.mark.parametrize('name', ['test_vit', 'test_efficientnet', 'test_convnext'])
def test_a_network_is_built_once(name, monkeypatch):
    built, create = [], timm.create_model

    def counted(*names, **options):
        net = create(*names, **options)
        built.append(next(net.parameters()).device.type)
        return net

    monkeypatch.setattr(timm, 'create_model', counted)
    net, channels, tokens = build_timm(name, 0.1)
    assert built.count('cpu') == 1 and next(net.parameters()).device.type == 'cpu'
    assert len(channels) == 4 and tokens == (name == 'test_vit')
    assert all(parameter.device.type == 'cpu' for parameter in net.parameters())
