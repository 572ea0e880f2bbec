"""Multiply-adds: SW's by hand, convolutions' against torch's own counter."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.analysis.complexity import LayerCost, complexity_table, layer_costs, readable
from sw_mmseg.models.tuning import LoRALinear
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
        nn.ConvTranspose2d(16, 4, 3, stride=2, groups=2),
        nn.Flatten(),
        nn.Linear(4 * 17 * 13, 5),
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


class Attention(nn.Module):
    """One after the other: torch's module, its function, and products written out."""

    def __init__(self):
        super().__init__()
        self.start, self.queries = nn.Parameter(torch.randn(1, 1, 16)), nn.ParameterList([torch.randn(1, 5, 16)])
        self.mha, self.linear = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 16)
        self.mixer, self.unused = nn.Linear(16, 16, bias=False), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        tokens = torch.cat([self.start.expand(len(x), 1, 16), x], 1)
        tokens = tokens + self.mha(tokens, tokens, tokens)[0]
        queries = self.queries[0].expand(len(x), 5, 16) + self.mha(self.queries[0].expand(len(x), 5, 16), x, x)[0]
        tokens = F.scaled_dot_product_attention(queries[:, None], tokens[:, None], self.linear(tokens)[:, None])[:, 0]
        return torch.einsum('nlc,mc->nlm', tokens, self.mixer.weight) @ tokens.mT


def test_attention_as_torch_counts_it_where_it_sees_it():
    model, x = Attention().eval().requires_grad_(False), torch.randn(2, 7, 16)
    torch.backends.mha.set_fastpath_enabled(False)  # its counter sees products alone
    try:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            model(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    costs = layer_costs(model, lambda: model(x))
    assert 2 * sum(cost.operations for cost in costs) == counter.get_total_flops()
    assert {(cost.name, cost.kind) for cost in costs if cost.operations} == {
        ('', 'attention'),
        ('mha', 'attention'),
        ('linear', 'linear'),
    }
    # of two images: 8 tokens; then 5 queries of 7 tokens; C² for each of four maps, C for each pair, twice
    assert {cost.name: cost.operations for cost in costs}['mha'] == 2 * (
        4 * 8 * 256 + 2 * 8 * 8 * 16 + (2 * 5 + 2 * 7) * 256 + 2 * 5 * 7 * 16
    )
    unused = sum(p.numel() for p in model.unused.parameters())
    assert sum(cost.parameters for cost in costs) == sum(p.numel() for p in model.parameters()) - unused
    assert torch.backends.mha.get_fastpath_enabled() and not model.mha._forward_hooks
    assert 'attention' in str(complexity_table(costs))


class Functional(nn.Module):
    """Convolutions, one transposed, and a product into a given place, none of them a layer."""

    def __init__(self):
        super().__init__()
        self.kernel, self.back = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Parameter(torch.randn(4, 2, 2, 2))

    def forward(self, x):
        x = F.conv2d(F.conv2d(x, self.kernel, padding=1), self.kernel[:, :2], groups=1 if x.shape[1] == 2 else 2)
        x = F.conv_transpose2d(x, self.back, stride=2)
        return torch.mm(x.flatten(1), x.flatten(1).T, out=torch.empty(len(x), len(x)))


def test_convolutions_and_products_that_are_no_layers():
    model, x = Functional().requires_grad_(False), torch.randn(2, 3, 8, 6)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    (cost,) = layer_costs(model, lambda: model(x))
    assert 2 * cost.operations == counter.get_total_flops() > 0
    assert cost.parameters == model.kernel.numel() + model.back.numel()


def test_a_linear_layer_with_lora_is_looked_into():
    model = nn.Sequential(LoRALinear(nn.Linear(8, 6), rank=2))
    (cost,) = layer_costs(model, lambda: model(torch.randn(5, 8)))
    assert cost == LayerCost('0', 'linear', 48 + 6 + 2 * 8 + 6 * 2, 5 * (8 * 6 + 8 * 2 + 2 * 6))


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
