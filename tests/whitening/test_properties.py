"""What whitening must not notice, on random layers: seeds in place of a strategy, so that each failure can be repeated.

Every property is an equality of two outputs of the layer itself, and follows from Equations 1 to 6 alone. In fp64 it
holds to rounding; in fp32, where the C code is asked, to fewer digits.
"""

import copy
import random

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import STATISTICS, SwitchWhiten2d

SEEDS = range(20)
DTYPES = {torch.float64: 1e-8, torch.float32: 2e-4}

pytestmark = [
    pytest.mark.usefixtures('kernels'),
    pytest.mark.parametrize('dtype', DTYPES, ids=str),
    pytest.mark.parametrize('seed', SEEDS),
]


def drawn(seed, dtype, statistics=None, **options):
    """A layer with random statistics, groups and parameters, and an input with correlated channels."""
    choose = random.Random(seed)
    torch.manual_seed(seed)
    d, groups = choose.choice([1, 2, 3, 5, 8, 16]), choose.randint(1, 3)
    words = choose.sample(STATISTICS, choose.randint(1, 5)) if statistics is None else choose.choice(statistics)
    options = dict(eps=1e-3, inverse_sqrt=choose.choice(['newton', 'eigh'])) | options
    layer = SwitchWhiten2d(d * groups, statistics=words, group_size=d, dtype=dtype, **options)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    x = torch.einsum('cd,ndhw->nchw', torch.randn(d * groups, d * groups), torch.randn(3, d * groups, 6, 7)) + 0.5
    return layer, x.to(dtype), choose


def close(a, b, dtype):
    torch.testing.assert_close(a, b, rtol=0, atol=DTYPES[dtype] * max(1.0, b.abs().max().item()))


def both(layer, x, y):
    """Outputs for x and y, each by a layer that has seen nothing yet."""
    return copy.deepcopy(layer)(x), copy.deepcopy(layer)(y)


@pytest.mark.parametrize('word', ['bw', 'iw'])
def test_shift_and_scale_are_absorbed(seed, dtype, word):
    """BW absorbs a shift of a channel and the scale of a group; IW absorbs those of each image."""
    layer, x, _ = drawn(seed, dtype, statistics=[(word,)], eps=1e-10)
    d, images = layer.group_size, 1 if word == 'bw' else len(x)
    scale = (torch.rand(images, x.shape[1] // d, 1, dtype=dtype) + 0.5).expand(-1, -1, d).reshape(images, -1, 1, 1)
    plain, changed = both(layer, x, scale * x + torch.randn(images, x.shape[1], 1, 1, dtype=dtype))
    close(changed, plain, dtype)


@pytest.mark.parametrize('word', ['bw', 'iw'])
def test_a_turn_of_a_group_is_a_turn_of_its_output(seed, dtype, word):
    """Σ^(−1/2) of Q x is Q Σ^(−1/2) Qᵀ, by Newton's iteration as by eigenvalues."""
    layer, x, _ = drawn(seed, dtype, statistics=[(word,)], affine=False)
    d, images = layer.group_size, 1 if word == 'bw' else len(x)
    turn = torch.linalg.qr(torch.randn(images, x.shape[1] // d, d, d, dtype=torch.float64))[0].to(dtype)
    turn = turn.expand(len(x), -1, -1, -1)

    def turned(value):
        return torch.einsum('ngij,ngjhw->ngihw', turn, value.unflatten(1, (-1, d))).flatten(1, 2)

    plain, changed = both(layer, x, turned(x))
    close(changed, turned(plain), dtype)


def test_images_may_come_in_any_order(seed, dtype):
    layer, x, _ = drawn(seed, dtype)
    order, other = torch.randperm(len(x)), copy.deepcopy(layer)
    close(other(x[order]), layer(x)[order], dtype)
    for ours, theirs in zip(other.buffers(), layer.buffers()):
        close(ours.to(dtype), theirs.to(dtype), dtype)


def test_pixels_may_stand_anywhere(seed, dtype):
    layer, x, _ = drawn(seed, dtype)
    order = torch.randperm(42)
    plain, changed = both(layer, x, x.flatten(2)[..., order].view(x.shape))
    close(changed, plain.flatten(2)[..., order].view(x.shape), dtype)


def test_channels_of_a_group_and_groups_may_stand_anywhere(seed, dtype):
    """With their parameters."""
    layer, x, choose = drawn(seed, dtype)
    d = layer.group_size
    groups = choose.sample(range(x.shape[1] // d), x.shape[1] // d)
    order = [group * d + channel for group in groups for channel in choose.sample(range(d), d)]
    other = copy.deepcopy(layer)
    with torch.no_grad():
        for ours, theirs in ((other.weight, layer.weight), (other.bias, layer.bias)):
            ours.copy_(theirs[order])
    close(other(x[:, order]), layer(x)[:, order], dtype)


def test_scale_with_eps_is_not_seen(seed, dtype):
    """Every Σ_k of s x is s² times that of x: with s² ε in place of ε, outputs are the same."""
    layer, x, choose = drawn(seed, dtype)
    scale = choose.choice([1e-6, 0.03, 50.0, 1e5])
    other = copy.deepcopy(layer)
    other.eps = layer.eps * scale**2
    close(other(scale * x), layer(x), dtype)


@pytest.mark.parametrize('momentum', [1.0, None])
def test_evaluation_after_equal_batches_is_training_but_for_the_correction_of_the_variance(seed, dtype, momentum):
    """Running covariances are unbiased: k Σ with k = n / (n − 1). With k ε, outputs are those of training by √k."""
    layer, x, choose = drawn(seed, dtype, [('bw',), ('bn',), ('bw', 'bn')], affine=False, momentum=momentum)
    for _ in range(choose.randint(1, 5)):
        trained = layer(x)
    correction = 126 / 125
    layer.eval().eps *= correction
    close(layer(x) * correction**0.5, trained, dtype)
