"""Every Ω against loops written from the equations, and the presets that are torch's norms against torch."""

import numpy as np
import pytest
import torch
from torch import nn

from sw_mmseg.whitening import PRESETS, STATISTICS, SwitchWhiten2d

from .helpers.reference import SUBSETS, switch_whiten

EXACT = dict(rtol=1e-10, atol=1e-10)


def randomise(layer):
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.7)
    return layer


def array(tensor):
    return tensor.detach().numpy()


def expected(layer, x, running=None):
    return switch_whiten(
        array(x),
        layer.statistics,
        layer.group_size if layer.group_size > 1 else 1,
        layer.eps,
        array(layer.mean_logits),
        array(layer.cov_logits),
        layer.inverse_sqrt,
        layer.iterations,
        array(layer.weight),
        array(layer.bias),
        running,
    )


def test_there_are_31_subsets():
    assert len(SUBSETS) == 31 and set(STATISTICS) == set().union(*SUBSETS)


@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('statistics', SUBSETS, ids='+'.join)
def test_every_subset_is_the_equations(statistics, method):
    layer = randomise(SwitchWhiten2d(8, statistics=statistics, group_size=4, inverse_sqrt=method, dtype=torch.float64))
    x = torch.randn(3, 8, 4, 5, dtype=torch.float64) * 2 + 1
    np.testing.assert_allclose(array(layer(x)), expected(layer, x), **EXACT)

    batch_mean = array(x).mean(axis=(0, 2, 3))
    groups = array(x).transpose(1, 0, 2, 3).reshape(8 // layer.group_size, layer.group_size, -1)
    batch_cov = np.stack([np.cov(group).reshape(layer.group_size, -1) for group in groups])  # unbiased
    if layer.track_running_stats:
        np.testing.assert_allclose(array(layer.running_mean), layer.momentum * batch_mean, **EXACT)
        identity = np.eye(layer.group_size)
        momentum = layer.momentum
        np.testing.assert_allclose(array(layer.running_cov), (1 - momentum) * identity + momentum * batch_cov, **EXACT)
    else:
        assert layer.running_mean is None and layer.running_cov is None
    layer.eval()
    running = (batch_mean, batch_cov)
    if layer.track_running_stats:
        running = (array(layer.running_mean), array(layer.running_cov))
    np.testing.assert_allclose(array(layer(x)), expected(layer, x, running), **EXACT)
    with torch.no_grad():
        np.testing.assert_allclose(array(layer(x)), expected(layer, x, running), **EXACT)


TWINS = {
    'bn': lambda c: nn.BatchNorm2d(c),
    'in': lambda c: nn.InstanceNorm2d(c, affine=True),
    'ln': lambda c: nn.GroupNorm(1, c),
}


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('word', TWINS)
def test_single_standardising_statistic_is_torchs_norm(word, training):
    ours = SwitchWhiten2d(12, momentum=0.1, statistics=(word,), dtype=torch.float64)
    twin = TWINS[word](12).double()
    randomise(ours)
    with torch.no_grad():
        twin.weight.copy_(ours.weight), twin.bias.copy_(ours.bias)
    for _ in range(3):  # three batches move the running statistics
        batch = torch.randn(4, 12, 5, 6, dtype=torch.float64) + 3
        ours(batch), twin(batch)
    ours.train(training), twin.train(training)
    x = torch.randn(4, 12, 5, 6, dtype=torch.float64)
    ours_x, twin_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    grad = torch.randn_like(x)
    y, target = ours(ours_x), twin(twin_x)
    y.backward(grad), target.backward(grad)
    pairs = [
        (y, target),
        (ours_x.grad, twin_x.grad),
        (ours.weight.grad, twin.weight.grad),
        (ours.bias.grad, twin.bias.grad),
    ]
    if word == 'bn':
        pairs += [
            (ours.running_mean, twin.running_mean),
            (ours.running_cov.flatten(), twin.running_var),
            (ours.num_batches_tracked, twin.num_batches_tracked),
        ]
    for left, right in pairs:
        torch.testing.assert_close(left, right, **EXACT)


def test_cumulative_average_is_torchs():
    ours = SwitchWhiten2d(4, momentum=None, statistics=('bn',), dtype=torch.float64)
    twin = nn.BatchNorm2d(4, momentum=None).double()
    for _ in range(4):
        x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
        ours(x), twin(x)
    torch.testing.assert_close(ours.running_cov.flatten(), twin.running_var, **EXACT)
    torch.testing.assert_close(ours.running_mean, twin.running_mean, **EXACT)


def group_covariances(y, size):
    """Covariance of each group over all its pixels: y (N, C, H, W) -> (N, G, D, D)."""
    slices = y.flatten(2).unflatten(1, (-1, size))
    slices = slices - slices.mean(-1, keepdim=True)
    return slices @ slices.mT / slices.shape[-1]


def test_batch_whitening_whitens_the_batch():
    mix = torch.randn(16, 16, dtype=torch.float64)
    x = torch.einsum('cd,ndhw->nchw', mix, torch.randn(4, 16, 9, 9, dtype=torch.float64))
    layer = SwitchWhiten2d(16, eps=1e-12, statistics=('bw',), inverse_sqrt='eigh', group_size=8, dtype=torch.float64)
    joined = layer(x).transpose(0, 1).flatten(1).unsqueeze(0).unsqueeze(-1)
    identity = torch.eye(8).double().expand(2, 8, 8)
    torch.testing.assert_close(group_covariances(joined, 8)[0], identity, rtol=0, atol=1e-8)


def test_instance_whitening_whitens_each_image_and_instance_norm_does_not():
    mix = torch.randn(3, 16, 16, dtype=torch.float64)
    x = torch.einsum('ncd,ndhw->nchw', mix, torch.randn(3, 16, 9, 9, dtype=torch.float64))
    identity = torch.eye(16).double().expand(3, 1, 16, 16)
    options = dict(eps=1e-12, inverse_sqrt='eigh', dtype=torch.float64)
    whitened = group_covariances(SwitchWhiten2d(16, statistics=('iw',), **options)(x), 16)
    torch.testing.assert_close(whitened, identity, rtol=0, atol=1e-8)
    standardised = group_covariances(SwitchWhiten2d(16, statistics=('in',), **options)(x), 16)
    assert (standardised - identity).abs().amax() > 0.1


def test_newton_converges_to_the_exact_root():
    x = torch.randn(2, 8, 16, 16, dtype=torch.float64)
    exact = SwitchWhiten2d(8, group_size=8, inverse_sqrt='eigh', dtype=torch.float64)(x)
    errors = [
        (SwitchWhiten2d(8, group_size=8, iterations=t, dtype=torch.float64)(x) - exact).abs().max().item()
        for t in (3, 5, 7, 12)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-9


def test_initial_ratios_are_uniform_and_named():
    layer = SwitchWhiten2d(16, statistics=PRESETS['SWb'])
    assert layer.mean_ratios() == layer.cov_ratios() == pytest.approx(dict.fromkeys(PRESETS['SWb'], 0.2))
    with torch.no_grad():
        layer.cov_logits[2] += np.log(4)  # e^1·4 against four times e^1
    assert layer.cov_ratios()['bn'] == pytest.approx(0.5) and layer.mean_ratios()['bn'] == pytest.approx(0.2)


def test_tied_ratios_are_one_parameter():
    layer = SwitchWhiten2d(16, tie_weights=True, dtype=torch.float64)
    assert layer.cov_logits is layer.mean_logits
    free = SwitchWhiten2d(16, dtype=torch.float64)
    x, grad = torch.randn(2, 16, 4, 4, dtype=torch.float64), torch.randn(2, 16, 4, 4, dtype=torch.float64)
    layer(x).backward(grad), free(x).backward(grad)
    torch.testing.assert_close(layer.mean_logits.grad, free.mean_logits.grad + free.cov_logits.grad, **EXACT)
