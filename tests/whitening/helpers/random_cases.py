"""Random layers on random inputs, whatever a number may be: each case follows from its seed."""

import math
import random
from typing import NamedTuple

import torch
from torch import nn

from sw_mmseg.whitening import STATISTICS, SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

SIZES = [1, 2, 3, 5, 7, 16, 33]
DTYPES = [torch.float32] * 6 + [torch.bfloat16, torch.bfloat16, torch.float16, torch.float64]
PLANTED = (math.nan, math.inf, -math.inf)


class Case(NamedTuple):
    """A layer, its input and the gradient of its output; what was planted and where (image, channel, pixel)."""

    layer: nn.Module
    x: torch.Tensor
    dy: torch.Tensor
    training: bool
    planted: tuple | None
    words: str  # for a report


def draw(seed):
    choose = random.Random(seed)
    torch.manual_seed(seed)
    rank = choose.choice([2, 3, 4, 4, 4, 5])
    d = choose.choice([1, 2, 3, 4, 8, 16, 16, choose.randint(1, 64)])
    groups = choose.randint(1, 3 if d < 20 else 2)
    n = choose.choice([0, 1, 1, 2, 2, 3, 4]) if choose.random() < 0.4 else choose.randint(1, 3)
    spatial = [choose.choice(SIZES) for _ in range(rank - 2)]
    if spatial and choose.random() < 0.03:
        spatial[choose.randrange(len(spatial))] = 0
    while math.prod(spatial) > 2000:
        spatial[spatial.index(max(spatial))] = 2
    dtype = choose.choice(DTYPES)
    layer, words = draw_layer(choose, rank, d, groups, dtype)
    x, more = draw_input(choose, (n, d * groups, *spatial), dtype)
    x = draw_strides(choose, x)
    planted = None
    if x.numel() and choose.random() < 0.1:
        planted = choose.randrange(n), choose.randrange(d * groups), choose.randrange(math.prod(spatial))
        x[planted[:2]].view(-1)[planted[2]] = choose.choice(PLANTED)
    training = choose.random() < 0.7
    more += ' training' if training else ' evaluation'
    return Case(layer, x, torch.randn(x.shape), training, planted, f'{layer} {words} {tuple(x.shape)} {dtype} {more}')


def draw_layer(choose, rank, d, groups, dtype):
    words = choose.sample(STATISTICS, choose.randint(1, 5))
    kind = {2: SwitchWhiten1d, 3: SwitchWhiten1d, 4: SwitchWhiten2d, 5: SwitchWhiten3d}[rank]
    options = dict(
        eps=choose.choice([1e-5, 1e-5, 1e-5, 1e-3, 1e-7]),
        momentum=choose.choice([0.1, 1.0, None]),
        affine=choose.random() < 0.8,
        statistics=words,
        group_size=d,
        inverse_sqrt=choose.choice(['newton', 'newton', 'eigh']),
        iterations=choose.choice([1, 3, 5, 5, 5, 7]),
        tie_weights=choose.random() < 0.2,
        track_running_stats=choose.random() < 0.9,
    )
    layer = kind(d * groups, **options)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.7)
    if dtype == torch.float64 or choose.random() < 0.3:
        layer.to(dtype)
    return layer, ''


def draw_input(choose, shape, dtype):
    """Values at one scale and mean, with a fault in some channels."""
    n, c = shape[:2]
    x = torch.randn(shape, dtype=torch.float64)
    if choose.random() < 0.5:
        x = torch.einsum('cd,nd...->nc...', torch.randn(c, c, dtype=torch.float64) / math.sqrt(c), x)
    mean = choose.choice([0, 0, 1, 30, 1000])
    x = x + mean * torch.randn(1, c, *[1] * (len(shape) - 2), dtype=torch.float64)
    chosen = choose.sample(range(c), choose.randint(1, c))
    fault = choose.choice(['', '', '', 'constant', 'constant by image', 'doubled', 'one', 'zero', 'all constant'])
    value = choose.choice([0.1, 7.0, 123456.7, 1e6])
    if fault == 'constant':
        x[:, chosen] = value
    elif fault == 'constant by image':
        x[:, chosen] = value * torch.randn(n, 1, *[1] * (len(shape) - 2), dtype=torch.float64)
    elif fault == 'doubled':
        x[:, chosen] = x[:, chosen[:1]].clone()
    elif fault == 'one':
        x = x[:, :1] * torch.randn(c, *[1] * (len(shape) - 2), dtype=torch.float64)
    elif fault == 'zero':
        x = 0 * x
    elif fault == 'all constant':
        x = torch.full_like(x, value)
    largest = {torch.float16: 1e2, torch.float64: 1e18}.get(dtype, 1e18)
    scale = 1.0 if choose.random() < 0.5 else 10 ** choose.uniform(-20, math.log10(largest))
    x = (x * scale).clamp(-6e4, 6e4) if dtype == torch.float16 else x * scale
    return x.to(dtype), f'mean {mean}, {fault or "no fault"} {value}, scale {scale:.1e}'


def draw_strides(choose, x):
    """The same values, laid out in memory in one way or another."""
    way = choose.choice(['', '', 'last', 'apart', 'turned'])
    if way == 'last' and x.dim() in (4, 5):
        return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)
    if way == 'apart':
        return torch.stack([x, x], -1)[..., 0]
    if way == 'turned':
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    return x
