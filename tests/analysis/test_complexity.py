"""Multiply-adds: SW's by hand, convolutions' against torch's own counter."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.analysis.complexity import complexity_table, layer_costs, readable
from sw_mmseg.whitening import SwitchWhiten2d


@pytest.mark.parametrize(
    'options, expected',
    [
        # C=32, L=20, D=16: 32·20·16 = 10240 a pass over the pixels; Newton 2 groups · 3·4·4096 = 98304
        (dict(), 2 * (2 * 10240) + 2 * 98304),  # two images, each with its own covariance
        (dict(statistics=('bw',)), 2 * 10240 + 98304),  # the running covariance: no moments, one root
        (dict(inverse_sqrt='eigh'), 2 * (2 * 10240) + 2 * 2 * 9 * 4096),
        (dict(group_size=8), 2 * (2 * 32 * 20 * 8) + 2 * 4 * 3 * 4 * 512),
        (dict(statistics=('bn', 'in', 'ln')), 2 * (2 * 640) + 2 * 32),  # SN: two passes, a variance a channel
    ],
)
def test_whitening_by_hand(options, expected):
    layer = SwitchWhiten2d(32, **options)
    model = nn.Sequential(layer)
    (cost,) = layer_costs(model, lambda: model(torch.randn(2, 32, 4, 5)))
    assert (cost.kind, cost.operations) == ('SW', expected)
    assert cost.parameters == 64 + 2 * len(layer.statistics)


def test_convolutions_and_linear_as_torch_counts_them():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, (1, 3), groups=4),
        nn.ConvTranspose2d(16, 4, 1),
        nn.Flatten(),
        nn.Linear(4 * 8 * 6, 5),
    )
    x = torch.randn(2, 3, 16, 16)
    with FlopCounterMode(display=False) as counter:
        model(x)
    costs = layer_costs(model, lambda: model(x))
    ours = sum(cost.operations for cost in costs if cost.kind in ('convolution', 'linear'))
    assert 2 * ours == counter.get_total_flops()
    assert {cost.kind: cost.operations for cost in costs}['other norms'] == 2 * 8 * 8 * 8
    assert sum(cost.parameters for cost in costs) == sum(p.numel() for p in model.parameters())
    assert model.training and not model[0]._forward_hooks


def test_a_backbone_with_sites():
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(dict(type='SwitchSites', of='ResNet', depth=50, site_norm_cfg=dict(type='SW')))
    x = torch.randn(1, 3, 64, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain = MODELS.build(dict(type='mmseg.ResNet', depth=50)).requires_grad_(False)
        plain(x)
    costs = layer_costs(model, lambda: model(x))
    assert 2 * sum(c.operations for c in costs if c.kind == 'convolution') == counter.get_total_flops()
    table = complexity_table(costs)
    numbers = {row[0]: row[1] for row in table.rows}
    assert numbers == {'convolution': 53, 'SW': 14, 'other norms': 39, 'all': 106}
    # 25.557 M of torchvision's ResNet-50 without its classifier's 2.049 M, and 14 layers with 4 logits
    assert sum(c.parameters for c in costs) == 25_557_032 - 2_049_000 + 14 * 4
    assert {row[0]: row[-1] for row in table.rows}['all'] == '100.00'


def test_numbers_are_readable():
    assert [readable(n) for n in (7, 1234, 25_557_032, 4.1e9)] == ['7', '1.23 k', '25.56 M', '4.10 G']
