"""DAFormer's head against its computation spelled out; and backbones that it stands on, started from a file."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.models import DAFormerHead
from sw_mmseg.whitening import SwitchWhiten2d

MIT = {'type': 'MixVisionTransformer', 'embed_dims': 8, 'num_layers': [1, 1, 1, 1]}


def normed(p, name, x):
    """BatchNorm with fresh statistics (mean 0, variance 1), then ReLU."""
    weight, bias = p[f'{name}.weight'], p[f'{name}.bias']
    return (x / (1 + 1e-5) ** 0.5 * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)).clamp(min=0)


def logits_by_hand(p, levels, dilations):
    size = levels[0].shape[-2:]
    embedded = [
        F.conv2d(level, p[f'embeddings.{i}.weight'], p[f'embeddings.{i}.bias']) for i, level in enumerate(levels)
    ]
    stack = torch.cat([F.interpolate(level, size, mode='bilinear') for level in embedded], 1)
    seen = []
    for i, dilation in enumerate(dilations):
        if dilation == 1:
            seen.append(normed(p, f'branches.{i}.bn', F.conv2d(stack, p[f'branches.{i}.conv.weight'])))
            continue
        x = F.conv2d(
            stack,
            p[f'branches.{i}.depthwise_conv.conv.weight'],
            padding=dilation,
            dilation=dilation,
            groups=stack.shape[1],
        )
        x = normed(p, f'branches.{i}.depthwise_conv.bn', x)
        x = F.conv2d(x, p[f'branches.{i}.pointwise_conv.conv.weight'])
        seen.append(normed(p, f'branches.{i}.pointwise_conv.bn', x))
    x = normed(p, 'join.bn', F.conv2d(torch.cat(seen, 1), p['join.conv.weight'], padding=1))
    return F.conv2d(x, p['conv_seg.weight'], p['conv_seg.bias'])


@pytest.mark.parametrize('sizes', [[(8, 12), (4, 6), (2, 3)], [(5, 5)] * 3])
def test_logits_are_those_of_the_formulas(sizes):
    """Of a pyramid, and of maps of one size, as a plain vision transformer gives them."""
    head = DAFormerHead([3, 4, 5], 7, channels=6, dilations=(1, 2, 3)).double().eval()
    for parameter in head.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    levels = [torch.randn(2, width, *size).double() for width, size in zip((3, 4, 5), sizes)]
    logits = head(levels)
    assert logits.shape == (2, 7, *sizes[0])
    torch.testing.assert_close(
        logits, logits_by_hand(dict(head.named_parameters()), levels, (1, 2, 3)), rtol=1e-9, atol=1e-9
    )
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_levels_are_chosen_by_index_and_norms_by_name():
    head = DAFormerHead([3, 5], 7, channels=16, dilations=(1, 6), in_index=[0, 2], norm_cfg={'type': 'SW'})
    assert sum(isinstance(module, SwitchWhiten2d) for module in head.modules()) == 4
    maps = [torch.randn(1, 3, 4, 4), torch.randn(1, 9, 3, 3), torch.randn(1, 5, 2, 2)]
    assert head(maps).shape == (1, 7, 4, 4)


def test_mit_starts_from_a_file(tmp_path):
    """What the file filled is not initialised again afterwards."""
    given = MODELS.build(MIT)
    given.init_weights()
    torch.save({'state_dict': given.state_dict()}, tmp_path / 'mit.pth')
    init = {'type': 'ImageNetPretrained', 'checkpoint': str(tmp_path / 'mit.pth')}
    backbone = MODELS.build({**MIT, 'init_cfg': init})
    backbone.init_weights()
    assert all(torch.equal(value, backbone.state_dict()[name]) for name, value in given.state_dict().items())
