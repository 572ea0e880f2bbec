"""The layer where torch differentiates its operations itself: the transforms of `torch.func` in evaluation, and
`switch_whiten`. Against the equations, also where eigenvalues coincide, where torch's gradient of `eigh` is not finite.
"""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d, switch_whiten

from .helpers import oracle

DOUBLE = dict(dtype=torch.float64)
CLOSE = dict(rtol=1e-8, atol=1e-8)
STATISTICS = [PRESETS['SWa'], PRESETS['SWb'], PRESETS['BW'], ('iw',), ('bw', 'bn')]


def fresh(statistics, method):
    """Running statistics as at the start, the identity, all of whose eigenvalues are equal."""
    layer = SwitchWhiten2d(8, statistics=statistics, group_size=4, inverse_sqrt=method, **DOUBLE).eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 1.0, 0.5)
    return layer


def exact(layer, x, parameters=None):
    """The equations; of images with fewer pixels than channels several eigenvalues are eps."""
    options = oracle.Options(layer.statistics, layer.group_size, layer.eps, layer.inverse_sqrt, layer.iterations)
    running = None if layer.running_mean is None else (layer.running_mean, layer.running_cov)
    learned = parameters or dict(layer.named_parameters())
    values = [learned[name] for name in ('weight', 'bias', 'mean_logits', 'cov_logits')]
    return oracle.switch_whiten(x.flatten(2), *values, options, running)[0].view(x.shape)


@pytest.mark.parametrize('pixels', [2, 9])
@pytest.mark.parametrize('statistics', STATISTICS, ids='+'.join)
@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_gradients(method, statistics, pixels):
    layer = fresh(statistics, method)
    x, dy = torch.randn(3, 8, pixels, 1, **DOUBLE), torch.randn(3, 8, pixels, 1, **DOUBLE)
    parameters = {name: parameter.detach() for name, parameter in layer.named_parameters()}

    def loss(parameters, x):
        return (functional_call(layer, parameters, (x,)) * dy).sum()

    of_parameters, of_x = grad(loss, argnums=(0, 1))(parameters, x)
    x.requires_grad_()
    (exact(layer, x) * dy).sum().backward()
    torch.testing.assert_close(of_x, x.grad, **CLOSE)
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(of_parameters[name], parameter.grad, **CLOSE)
    torch.testing.assert_close(vmap(lambda image: layer(image[None])[0])(x), exact(layer, x), **CLOSE)


@pytest.mark.parametrize('statistics', STATISTICS, ids='+'.join)
@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_the_slope_along_a_line_and_that_of_the_gradient(method, statistics):
    """Differences of the equations and of their gradient, at the same step to both sides."""
    layer = fresh(statistics, method)
    x, along, dy = (torch.randn(2, 8, 3, 3, **DOUBLE) for _ in range(3))
    step = 1e-5

    def gradient(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad((exact(layer, x) * dy).square().sum(), x)[0]

    with torch.no_grad():
        slope = (exact(layer, x + step * along) - exact(layer, x - step * along)) / (2 * step)
    torch.testing.assert_close(jvp(layer, (x,), (along,))[1], slope, rtol=1e-6, atol=1e-6)
    curvature = (gradient(x + step * along) - gradient(x - step * along)) / (2 * step)
    of_torch = jvp(grad(lambda x: (layer(x) * dy).square().sum()), (x,), (along,))[1]
    torch.testing.assert_close(of_torch, curvature, rtol=1e-6, atol=1e-6 * curvature.abs().max().item())


@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_the_function_on_constant_channels(method):
    """Their covariance has a single eigenvalue, eps."""
    layer = fresh(('iw',), method)
    x = torch.full((2, 8, 3, 3), 2.0, **DOUBLE, requires_grad=True)
    dy = torch.randn(2, 8, 3, 3, **DOUBLE)
    y = switch_whiten(x, *layer.learned(), None, layer.settings())
    (of_x,) = torch.autograd.grad((y * dy).sum(), x)
    (expected,) = torch.autograd.grad((exact(layer, x) * dy).sum(), x)
    torch.testing.assert_close(of_x, expected, **CLOSE)


def test_not_a_number_stays_in_its_image():
    layer = fresh(('iw',), 'eigh')
    x = torch.randn(2, 8, 3, 3, **DOUBLE)
    clean = grad(lambda x: layer(x).pow(3).sum())(x)
    x[0, 1, 2, 2] = torch.nan
    torch.testing.assert_close(grad(lambda x: layer(x).pow(3).sum())(x)[1], clean[1])


def test_arguments_of_the_function_that_do_not_fit():
    x, two, settings = torch.ones(2, 8, 3, 3), torch.ones(2), SwitchWhiten2d(8, group_size=4).settings()
    with pytest.raises(ValueError, match='floating point, got torch.int64'):
        switch_whiten(x.long(), None, None, two, two, None, settings)
    with pytest.raises(ValueError, match=r"\(\(2,\), \(3,\)\) do not weigh the 2 statistics \('bw', 'iw'\)"):
        switch_whiten(x, None, None, two, torch.ones(3), None, settings)
