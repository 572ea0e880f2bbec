"""Triton's passes over the activation against fp64; `conftest` says where they run."""

import pytest
import torch

from sw_mmseg.whitening.backends.triton import backend as triton_backend
from sw_mmseg.whitening.backends.triton import tiles as triton_tiles
from sw_mmseg.whitening.maths import Moments
from tests.helpers.slow_cases import one_in, slow

from .cases import CASES, FULL, OUTPUT, ROUNDED, B, F, H, close, draw, ids, slices, small


@pytest.mark.parametrize('case', one_in(4, CASES), ids=ids)
def test_moments(case, device):
    n, g, d, _, dtype, _ = case
    x = draw(case)
    mean, cov = triton_backend.sample_moments(x, d)
    assert mean.dtype == cov.dtype == torch.float32
    exact = slices(x, d)
    centred = exact - exact.mean(-1, keepdim=True)
    close(mean, exact.mean(-1), FULL)
    close(
        cov,
        torch.einsum('ngil,ngjl->ngij', centred, centred) / exact.shape[-1],
        FULL if dtype == F or d == 1 else ROUNDED,
    )
    assert triton_backend.shift(Moments(mean, cov)) is mean


@pytest.mark.parametrize('case', one_in(4, CASES, 1), ids=ids)
def test_apply(case, device):
    n, g, d, _, dtype, _ = case
    x, shift, matrix, vector = draw(case), small(n, g, d), small(n, g, d, d), small(1, g, d)
    y = triton_backend.apply(x, shift, matrix, vector)
    assert y.dtype == dtype and (n == 0 or y.stride() == x.stride() and y.data_ptr() != x.data_ptr())
    centred = slices(x, d) - shift.double().unsqueeze(-1)
    close(slices(y, d), matrix.double() @ centred + vector.double().unsqueeze(-1), OUTPUT[dtype])


@pytest.mark.parametrize('case', one_in(4, CASES, 2), ids=ids)
def test_gradient_sums(case, device):
    n, g, d, _, dtype, _ = case
    x, dy, shift = draw(case), draw(case), small(1, g, d)
    total, product = triton_backend.gradient_sums(dy, x, shift, d)
    assert total.dtype == product.dtype == torch.float32
    centred = slices(x, d) - shift.double().unsqueeze(-1)
    close(total, slices(dy, d).sum(-1), FULL)
    close(product, torch.einsum('ngil,ngjl->ngij', slices(dy, d), centred), FULL if dtype == F or d == 1 else ROUNDED)


@pytest.mark.parametrize('case', one_in(4, CASES, 3), ids=ids)
def test_apply_gradient(case, device):
    n, g, d, _, dtype, _ = case
    x, dy, shift, matrix, quadratic = draw(case), draw(case), small(n, g, d), small(1, g, d, d), small(n, g, d, d)
    vector = small(n, g, d)
    dx = triton_backend.apply_gradient(dy, x, shift, matrix, quadratic, vector)
    assert dx.dtype == dtype and (dx.stride() == x.stride() or n == 0)
    centred = slices(x, d) - shift.double().unsqueeze(-1)
    first, second = matrix.double().mT @ slices(dy, d), quadratic.double() @ centred
    close(slices(dx, d), first + second + vector.double().unsqueeze(-1), OUTPUT[dtype])


@pytest.mark.parametrize('d', [1, 4, 16])
def test_terms_that_are_not_there(d, device):
    case = (2, 2, d, (5, 5), F, False)
    x, dy, matrix, vector = draw(case), draw(case), small(1, 2, d, d), small(1, 2, d)
    wide = matrix.double()
    y = triton_backend.apply(x, None, matrix, vector)
    close(slices(y, d), wide @ slices(x, d) + vector.double().unsqueeze(-1), FULL)
    total, product = triton_backend.gradient_sums(dy, x, None, d)
    close(product, slices(dy, d) @ slices(x, d).mT, FULL)
    close(slices(triton_backend.apply_gradient(dy, x, None, matrix, None, None), d), wide.mT @ slices(dy, d), FULL)


@pytest.mark.parametrize('d, last', [(1, False), slow(1, True), slow(16, False), (16, True)])
def test_chunks_of_pixels_are_joined(d, last, monkeypatch, device):
    """Many programs a sample, of values whose chunks differ in mean and spread."""
    monkeypatch.setattr(triton_tiles, 'processors_of', lambda device: 100)
    case = (1, 2, d, (63, 17), F, last)
    x, dy = draw(case), draw(case)
    ramp = torch.linspace(0, 5, x[0, 0].numel()).view(1, 1, *x.shape[2:])
    x = (x * (1 + ramp) + 100 * ramp).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    plan = triton_tiles.plan_for(x, d)
    assert plan.chunks > (triton_backend._PARTS if d > 1 else 1)
    assert plan.chunks * plan.chunk > plan.length  # the last one is shorter
    exact = slices(x, d)
    centred = exact - exact.mean(-1, keepdim=True)
    mean, cov = triton_backend.sample_moments(x, d)
    close(mean, exact.mean(-1), FULL)
    close(cov, centred @ centred.mT / exact.shape[-1], FULL)
    total, product = triton_backend.gradient_sums(dy, x, mean, d)
    close(total, slices(dy, d).sum(-1), FULL)
    close(product, slices(dy, d) @ (exact - mean.double().unsqueeze(-1)).mT, FULL)
    again = triton_backend.gradient_sums(dy, x, mean, d)
    assert torch.equal(total, again[0]) and torch.equal(product, again[1])


@pytest.mark.parametrize('d', [1, 16])
def test_a_mean_of_1000_standard_deviations(d, device):
    """Within 1e-3 of fp64: the moments, and y and dx made from them."""
    case = (2, 2, d, (20, 15), F, False)
    x, dy = draw(case, mean=0), draw(case)
    x += 1000 * (1 + torch.rand(1, 2 * d, 1, 1))
    exact = slices(x, d)
    centred = exact - exact.mean(-1, keepdim=True)
    mean, cov = triton_backend.sample_moments(x, d)
    assert ((mean - exact.mean(-1)).abs() < 1e-3).all()  # of the standard deviation, which is 1
    close(cov, centred @ centred.mT / exact.shape[-1], 1e-3)
    matrix, vector = small(2, 2, d, d), small(2, 2, d)
    wide = matrix.double()
    y = triton_backend.apply(x, mean, matrix, vector)
    close(slices(y, d), wide @ centred + vector.double().unsqueeze(-1), 1e-3)
    close(triton_backend.gradient_sums(dy, x, mean, d)[1], slices(dy, d) @ centred.mT, 1e-3)
    dx = triton_backend.apply_gradient(dy, x, mean, matrix, matrix, vector)
    close(slices(dx, d), wide.mT @ slices(dy, d) + wide @ centred + vector.double().unsqueeze(-1), 1e-3)


@pytest.mark.parametrize('dtype', [B, H])
def test_large_half_precision_activations(dtype, device):
    x = (6e4 * torch.rand(1, 16, 9, 9)).to(dtype)
    mean, cov = triton_backend.sample_moments(x, 16)
    exact = slices(x, 16)
    close(mean, exact.mean(-1), FULL)
    matrix = torch.linalg.inv(torch.linalg.cholesky(cov))
    y = triton_backend.apply(x, mean, matrix, torch.zeros_like(mean))
    close(slices(y, 16), matrix.double() @ (exact - mean.double().unsqueeze(-1)), OUTPUT[dtype])


def test_refusals(device):
    x = draw((2, 2, 4, (5, 6), F, False))
    assert triton_backend.supported(x, 4) and triton_backend.supported(x.half(), 1)
    assert not triton_backend.supported(x.double(), 4) and not triton_backend.supported(x, 65)
    with pytest.raises(ValueError, match='contiguous'):
        triton_backend.sample_moments(x.transpose(2, 3), 4)
    with pytest.raises(ValueError, match='must be as x'):
        triton_backend.gradient_sums(x.contiguous(memory_format=torch.channels_last), x, None, 4)
