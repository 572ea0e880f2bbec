"""Tests of Triton's passes over the activation against fp64, on a GPU or in Triton's interpreter; `test_triton.py` runs
them there, as does

    TRITON_INTERPRET=1 .venv/bin/python -m pytest tests/whitening/triton_cases.py     # anywhere
    .venv/bin/python -m pytest tests/whitening/triton_cases.py                        # on a CUDA device
"""

import os

import pytest
import torch

from sw_mmseg.whitening.kernels import triton_passes, triton_tiles
from sw_mmseg.whitening.moments import Moments

DEVICE = 'cpu' if os.environ.get('TRITON_INTERPRET') == '1' else 'cuda'
F, B, H = torch.float32, torch.bfloat16, torch.float16
# of what is fp32 throughout; of sums of half-precision values, rounded to TF32; of outputs (the interpreter truncates
# where a GPU rounds)
FULL, ROUNDED, OUTPUT = 2e-6, 1e-3, {F: 2e-6, B: 2 ** -7 if DEVICE == 'cpu' else 2 ** -8, H: 2 ** -10}
# samples, groups, D, pixels, dtype, channels_last
CASES = [
    (3, 5, 1, (20, 15), F, False), (1, 70, 1, (8, 8), B, True), (1, 3, 1, (1, 1), H, False), (3, 3, 1, (7, 1), F, True),
    (2, 9, 2, (7, 1), F, False), (1, 3, 2, (20, 15), B, True), (3, 6, 3, (8, 8), F, True),
    (1, 2, 3, (20, 15), H, False),
    (2, 4, 5, (8, 8), F, False), (1, 1, 5, (1, 1), F, True), (1, 3, 8, (20, 15), F, True), (3, 2, 8, (7, 1), B, False),
    (3, 2, 16, (20, 15), F, False), (2, 2, 16, (20, 15), F, True), (2, 1, 16, (20, 15), B, False),
    (2, 2, 16, (8, 8), H, True), (2, 2, 16, (1, 1), F, False), (0, 2, 16, (8, 8), F, False), (0, 2, 1, (8, 8), F, True),
    (1, 2, 20, (20, 15), F, True), (2, 1, 20, (8, 8), B, False), (1, 1, 32, (20, 15), F, False),
    (2, 2, 32, (7, 1), H, True), (1, 1, 64, (8, 8), F, True), (1, 1, 64, (20, 15), B, False),
    (1, 1, 64, (1, 1), F, True),
    (2, 2, 4, (4, 3, 5), F, True), (2, 2, 16, (), F, False), (2, 3, 6, (11,), F, False),  # 3d, no pixels, 1d
]


@pytest.fixture(autouse=DEVICE == 'cpu')
def tensor_cores(monkeypatch):
    """Makes the interpreter's products lose what a tensor core drops of their operands: all but 10 bits of mantissa."""
    from triton._C.libtriton import ir
    from triton.runtime import interpreter

    exact = interpreter.InterpreterBuilder.create_dot

    def create_dot(self, a, b, total, precision, *rest):
        if precision == ir.INPUT_PRECISION.TF32:
            assert a.data.dtype == b.data.dtype == 'float32'
            a, b = (interpreter.TensorHandle((v.data.view('int32') & -0x2000).view('float32'), v.dtype) for v in (a, b))
        return exact(self, a, b, total, precision, *rest)

    monkeypatch.setattr(interpreter.InterpreterBuilder, 'create_dot', create_dot)


def ids(case):
    n, g, d, spatial, dtype, last = case
    return f'N{n} G{g} D{d} {"x".join(map(str, spatial))} {str(dtype)[6:]}{" last" if last else ""}'


def draw(case, mean=0.5):
    n, g, d, spatial, dtype, last = case
    x = (torch.randn(n, g * d, *spatial, device=DEVICE) + mean).to(dtype)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.dim()]) if last else x


def slices(x, d):
    """(N, G, D, L) in fp64."""
    return x.double().reshape(x.shape[0], x.shape[1] // d, d, x[0, 0].numel() if len(x) else 1)


def close(value, exact, tolerance, least=1e-30):
    """No difference may be more than `tolerance` of the largest value, or of `least`."""
    assert value.shape == exact.shape and torch.isfinite(value).all()
    if exact.numel():
        assert (value.double() - exact).abs().max() <= tolerance * exact.abs().max().clamp_min(least)


def small(*shape):
    return torch.randn(*shape, device=DEVICE)


@pytest.mark.parametrize('case', CASES, ids=ids)
def test_moments(case):
    n, g, d, _, dtype, _ = case
    x = draw(case)
    mean, cov = triton_passes.sample_moments(x, d)
    assert mean.dtype == cov.dtype == torch.float32
    exact = slices(x, d)
    centred = exact - exact.mean(-1, keepdim=True)
    close(mean, exact.mean(-1), FULL)
    close(cov, torch.einsum('ngil,ngjl->ngij', centred, centred) / exact.shape[-1],
          FULL if dtype == F or d == 1 else ROUNDED)
    assert triton_passes.shift(Moments(mean, cov)) is mean


@pytest.mark.parametrize('case', CASES, ids=ids)
def test_apply(case):
    n, g, d, _, dtype, _ = case
    x, shift, matrix, vector = draw(case), small(n, g, d), small(n, g, d, d), small(1, g, d)
    y = triton_passes.apply(x, shift, matrix, vector)
    assert y.dtype == dtype and (n == 0 or y.stride() == x.stride() and y.data_ptr() != x.data_ptr())
    centred = slices(x, d) - shift.double().unsqueeze(-1)
    close(slices(y, d), matrix.double() @ centred + vector.double().unsqueeze(-1), OUTPUT[dtype])


@pytest.mark.parametrize('case', CASES, ids=ids)
def test_gradient_sums(case):
    n, g, d, _, dtype, _ = case
    x, dy, shift = draw(case), draw(case), small(1, g, d)
    total, product = triton_passes.gradient_sums(dy, x, shift, d)
    assert total.dtype == product.dtype == torch.float32
    centred = slices(x, d) - shift.double().unsqueeze(-1)
    close(total, slices(dy, d).sum(-1), FULL)
    close(product, torch.einsum('ngil,ngjl->ngij', slices(dy, d), centred),
          FULL if dtype == F or d == 1 else ROUNDED)


@pytest.mark.parametrize('case', CASES, ids=ids)
def test_apply_gradient(case):
    n, g, d, _, dtype, _ = case
    x, dy, shift, matrix, quadratic = draw(case), draw(case), small(n, g, d), small(1, g, d, d), small(n, g, d, d)
    vector = small(n, g, d)
    dx = triton_passes.apply_gradient(dy, x, shift, matrix, quadratic, vector)
    assert dx.dtype == dtype and (dx.stride() == x.stride() or n == 0)
    centred = slices(x, d) - shift.double().unsqueeze(-1)
    first, second = matrix.double().mT @ slices(dy, d), quadratic.double() @ centred
    close(slices(dx, d), first + second + vector.double().unsqueeze(-1), OUTPUT[dtype])


@pytest.mark.parametrize('d', [1, 4, 16])
def test_terms_that_are_not_there(d):
    case = (2, 2, d, (5, 5), F, False)
    x, dy, matrix, vector = draw(case), draw(case), small(1, 2, d, d), small(1, 2, d)
    wide = matrix.double()
    y = triton_passes.apply(x, None, matrix, vector)
    close(slices(y, d), wide @ slices(x, d) + vector.double().unsqueeze(-1), FULL)
    total, product = triton_passes.gradient_sums(dy, x, None, d)
    close(product, slices(dy, d) @ slices(x, d).mT, FULL)
    close(slices(triton_passes.apply_gradient(dy, x, None, matrix, None, None), d), wide.mT @ slices(dy, d), FULL)


@pytest.mark.parametrize('last', [False, True])
@pytest.mark.parametrize('d', [1, 16])
def test_chunks_of_pixels_are_joined(d, last, monkeypatch):
    """Many programs a sample, of values whose chunks differ in mean and spread."""
    monkeypatch.setattr(triton_tiles, '_processors', lambda device: 100)
    case = (1, 2, d, (63, 17), F, last)
    x, dy = draw(case), draw(case)
    ramp = torch.linspace(0, 5, x[0, 0].numel(), device=DEVICE).view(1, 1, *x.shape[2:])
    x = (x * (1 + ramp) + 100 * ramp).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    plan = triton_tiles.plan_for(x, d)
    assert plan.chunks > (triton_passes._PARTS if d > 1 else 1)
    assert plan.chunks * plan.chunk > plan.length  # the last one is shorter
    exact = slices(x, d)
    centred = exact - exact.mean(-1, keepdim=True)
    mean, cov = triton_passes.sample_moments(x, d)
    close(mean, exact.mean(-1), FULL)
    close(cov, centred @ centred.mT / exact.shape[-1], FULL)
    total, product = triton_passes.gradient_sums(dy, x, mean, d)
    close(total, slices(dy, d).sum(-1), FULL)
    close(product, slices(dy, d) @ (exact - mean.double().unsqueeze(-1)).mT, FULL)
    again = triton_passes.gradient_sums(dy, x, mean, d)
    assert torch.equal(total, again[0]) and torch.equal(product, again[1])


@pytest.mark.parametrize('d', [1, 16])
def test_a_mean_of_1000_standard_deviations(d):
    """Within 1e-3 of fp64: the moments, and y and dx made from them."""
    case = (2, 2, d, (20, 15), F, False)
    x, dy = draw(case, mean=0), draw(case)
    x += 1000 * (1 + torch.rand(1, 2 * d, 1, 1, device=DEVICE))
    exact = slices(x, d)
    centred = exact - exact.mean(-1, keepdim=True)
    mean, cov = triton_passes.sample_moments(x, d)
    assert ((mean - exact.mean(-1)).abs() < 1e-3).all()  # of the standard deviation, which is 1
    close(cov, centred @ centred.mT / exact.shape[-1], 1e-3)
    matrix, vector = small(2, 2, d, d), small(2, 2, d)
    wide = matrix.double()
    close(slices(triton_passes.apply(x, mean, matrix, vector), d), wide @ centred + vector.double().unsqueeze(-1), 1e-3)
    close(triton_passes.gradient_sums(dy, x, mean, d)[1], slices(dy, d) @ centred.mT, 1e-3)
    dx = triton_passes.apply_gradient(dy, x, mean, matrix, matrix, vector)
    close(slices(dx, d), wide.mT @ slices(dy, d) + wide @ centred + vector.double().unsqueeze(-1), 1e-3)


@pytest.mark.parametrize('dtype', [B, H])
def test_large_half_precision_activations(dtype):
    x = (6e4 * torch.rand(1, 16, 9, 9, device=DEVICE)).to(dtype)
    mean, cov = triton_passes.sample_moments(x, 16)
    exact = slices(x, 16)
    close(mean, exact.mean(-1), FULL)
    matrix = torch.linalg.inv(torch.linalg.cholesky(cov))
    y = triton_passes.apply(x, mean, matrix, torch.zeros_like(mean))
    close(slices(y, 16), matrix.double() @ (exact - mean.double().unsqueeze(-1)), OUTPUT[dtype])


def test_refusals():
    x = draw((2, 2, 4, (5, 6), F, False))
    assert triton_passes.supported(x, 4) and triton_passes.supported(x.half(), 1)
    assert not triton_passes.supported(x.double(), 4) and not triton_passes.supported(x, 65)
    with pytest.raises(ValueError, match='contiguous'):
        triton_passes.sample_moments(x.transpose(2, 3), 4)
    with pytest.raises(ValueError, match='must be as x'):
        triton_passes.gradient_sums(x.contiguous(memory_format=torch.channels_last), x, None, 4)
