"""Gradients by hand against finite differences, and where they could fail: equal eigenvalues, frozen inputs."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.slow_cases import one_in

from .helpers.reference import SUBSETS


def functional(layer):
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return functional_call(layer, dict(zip(names, parameters)), (x,))

    return call


CHECKED = [
    *one_in(4, [(words, 'newton') for words in SUBSETS], several=True),
    *(
        pytest.param(words, 'eigh', marks=[] if words in (('bw',), ('iw',), SUBSETS[-1]) else pytest.mark.slow)
        for words in SUBSETS
    ),
]


@pytest.mark.parametrize(('statistics', 'method'), CHECKED)
def test_gradcheck(statistics, method):
    layer = SwitchWhiten2d(4, statistics=statistics, group_size=2, inverse_sqrt=method, dtype=torch.float64)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    x = torch.randn(3, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(functional(layer), (x, *layer.parameters()))
    layer.eval()
    assert torch.autograd.gradcheck(functional(layer), (x, *layer.parameters()))


@pytest.mark.parametrize('affine', [True, False])
def test_gradcheck_without_affine_and_tied(affine):
    layer = SwitchWhiten2d(4, affine=affine, group_size=4, tie_weights=True, dtype=torch.float64)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(functional(layer), (x, *layer.parameters()))


def test_eigh_gradient_at_equal_eigenvalues():
    """Channels with exactly orthogonal, equally long rows: the covariance is a multiple of the identity."""
    rows = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=torch.float64)
    x = rows.view(1, 3, 2, 2).clone().requires_grad_()
    layer = SwitchWhiten2d(3, statistics=('iw',), group_size=3, inverse_sqrt='eigh', dtype=torch.float64)
    assert torch.autograd.gradcheck(functional(layer), (x, *layer.parameters()))


@pytest.mark.parametrize('frozen', ['input', 'parameters'])
def test_only_needed_gradients(frozen):
    layer = SwitchWhiten2d(4, group_size=2, dtype=torch.float64)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=frozen != 'input')
    layer.requires_grad_(frozen != 'parameters')
    layer(x).square().sum().backward()
    assert (x.grad is None) == (frozen == 'input')
    assert all((p.grad is None) == (frozen == 'parameters') for p in layer.parameters())


def test_backward_leaves_the_incoming_gradient_alone():
    layer = SwitchWhiten2d(4, group_size=2)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    grad = torch.randn_like(x)
    kept = grad.clone()
    layer(x).backward(grad)
    assert torch.equal(grad, kept)


def test_in_place_activation_may_follow():
    layer = nn.Sequential(SwitchWhiten2d(16), nn.ReLU(inplace=True))
    x = torch.randn(2, 16, 4, 4, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_double_backward_is_refused():
    layer = SwitchWhiten2d(4, group_size=2)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()
