"""Every Ω at every group size against loops written from the equations: all backends, training and evaluation.

The default group size is 16; 1 is where whitening and standardising coincide, so that two words share one variance; 2
is the smallest matrix, 5 no power of two. The oracle computes in fp64 and shares no code with the package; gradients
are held to the oracle by finite differences.
"""

import numpy as np
import pytest
import torch
from torch import nn

from sw_mmseg.whitening import SwitchWhiten2d

from .helpers.reference import SUBSETS, switch_whiten

CHANNELS = {1: 3, 2: 6, 5: 10, 16: 32}
WIDE = [subset for subset in SUBSETS if {'bw', 'iw'} & set(subset)]  # others have no group size


def layer_and_input(statistics, group_size, dtype, method='newton'):
    channels = CHANNELS[group_size]
    layer = SwitchWhiten2d(channels, statistics=statistics, group_size=group_size, inverse_sqrt=method, dtype=dtype)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.7)
    return layer, torch.randn(3, channels, 5, 4, dtype=dtype) * 2 + 1


def expected(layer, x, running=None, **parameters):
    """What the equations say, in fp64; `running` in place of the batch moments."""
    values = {name: tensor.detach().double().numpy() for name, tensor in layer.named_parameters()} | parameters
    return switch_whiten(
        x.double().numpy(),
        layer.statistics,
        layer.group_size,
        layer.eps,
        values['mean_logits'],
        values['cov_logits'],
        layer.inverse_sqrt,
        layer.iterations,
        values['weight'],
        values['bias'],
        running,
    )


def running_of(layer):
    if layer.running_cov is None:
        return np.zeros(layer.num_features), np.zeros((layer.num_features // layer.group_size, 1, 1))  # not read
    return layer.running_mean.double().numpy(), layer.running_cov.double().numpy()


def test_thirty_one_subsets_of_which_twenty_four_whiten():
    assert len(SUBSETS) == 31 and len(WIDE) == 24


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=str)  # the C code takes fp32 alone
@pytest.mark.parametrize('group_size', CHANNELS)
@pytest.mark.parametrize('statistics', WIDE, ids='+'.join)
def test_forward(statistics, group_size, dtype):
    layer, x = layer_and_input(statistics, group_size, dtype)
    tolerance = dict(rtol=1e-10, atol=1e-10) if dtype == torch.float64 else dict(rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected(layer, x), **tolerance)
    layer(x * 3 - 1)  # running statistics of two batches that differ
    layer.eval()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected(layer, x, running_of(layer)), **tolerance)


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('group_size', CHANNELS)
@pytest.mark.parametrize('statistics', [('bw', 'bn'), ('iw', 'in'), ('in', 'ln', 'bw', 'iw', 'bn')], ids='+'.join)
def test_backward_is_the_slope_of_the_equations(statistics, group_size, method, training):
    """Along one direction in all inputs and parameters at once, in fp32 as the C code has it."""
    layer, x = layer_and_input(statistics, group_size, torch.float32, method)
    layer(x * 1.5 + 1)
    layer.train(training)
    running = None if training else running_of(layer)
    grad = torch.randn_like(x)
    x.requires_grad_()
    layer(x).backward(grad)
    pairs = {'x': (x.detach(), x.grad), **{name: (p.detach(), p.grad) for name, p in layer.named_parameters()}}
    along = {name: torch.randn_like(value) for name, (value, _) in pairs.items()}

    def loss(step):
        at = {name: (value.double() + step * along[name]).numpy() for name, (value, _) in pairs.items()}
        return (expected(layer, torch.from_numpy(at.pop('x')), running, **at) * grad.double().numpy()).sum()

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    ours = sum((gradient.double() * along[name].double()).sum().item() for name, (_, gradient) in pairs.items())
    assert ours == pytest.approx(slope, rel=1e-3, abs=1e-3)
