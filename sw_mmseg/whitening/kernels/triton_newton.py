"""Newton's iteration (Equation 7) and its gradient as Triton kernels: a program a matrix, iterates in registers.

The mathematics is that of `inverse_sqrt`, line by line. The iterates that the backward needs are computed anew, each
from the first one: quadratic in T, but a few small products in registers take less time than fetching them would.
Products are plain fp32: there are so few that tensor cores would gain nothing.
"""

from contextlib import nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ['newton', 'newton_backward']

_WARPS = {16: 4, 32: 8, 64: 16}  # by rows


def newton(cov: Tensor, iterations: int) -> Tensor:
    """P_T / √tr Σ of cov (..., D, D)."""
    if cov.shape[-1] == 1:
        return cov.rsqrt()
    cov = cov.contiguous()
    root = torch.empty_like(cov)
    _launch(_newton_kernel, iterations, cov, root)
    return root


def newton_backward(grad: Tensor, cov: Tensor, iterations: int) -> Tensor:
    """dL/dΣ from symmetric dL/dΣ^(−1/2), both (..., D, D)."""
    if cov.shape[-1] == 1:
        return -0.5 * grad * cov.rsqrt() ** 3
    grad, cov = grad.contiguous(), cov.contiguous()
    grad_cov = torch.empty_like(cov)
    _launch(_newton_backward_kernel, iterations, grad, cov, grad_cov)
    return grad_cov


def _launch(kernel: triton.JITFunction, iterations: int, *matrices: Tensor) -> None:
    d = matrices[0].shape[-1]
    count = matrices[0].numel() // (d * d)
    if count == 0:
        return
    rows = max(triton.next_power_of_2(d), 16)
    with torch.cuda.device(matrices[0].device) if matrices[0].is_cuda else nullcontext():
        kernel[(count,)](*matrices, ITERATIONS=iterations, D=d, ROWS=rows, num_warps=_WARPS[rows], num_stages=1)


@triton.jit
def _newton_kernel(covs, roots, ITERATIONS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    offsets, mask, unit = _square(tl.program_id(0), D, ROWS)
    cov = tl.load(covs + offsets, mask=mask, other=0.0)
    trace = _dot(cov, unit)
    p = _iterate(1.5 * unit - 0.5 * cov / trace, cov / trace, ITERATIONS - 1)
    tl.store(roots + offsets, p / tl.sqrt(trace), mask=mask)


@triton.jit
def _newton_backward_kernel(grads, covs, grad_covs, ITERATIONS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    offsets, mask, unit = _square(tl.program_id(0), D, ROWS)
    cov = tl.load(covs + offsets, mask=mask, other=0.0)
    grad = tl.load(grads + offsets, mask=mask, other=0.0)
    trace = _dot(cov, unit)
    normed = cov / trace
    start = 1.5 * unit - 0.5 * normed  # P₁
    grad /= tl.sqrt(trace)  # through P_T / √tr
    grad_trace = -0.5 * _dot(grad, _iterate(start, normed, ITERATIONS - 1)) / trace
    grad_normed = tl.zeros((ROWS, ROWS), tl.float32)
    for step in range(1, ITERATIONS):
        p = _iterate(start, normed, ITERATIONS - 1 - step)
        square = _multiply(p, p)
        grad_normed -= 0.5 * _multiply(_multiply(square, p), grad)
        h = _multiply(grad, normed)
        hp = _multiply(h, p)
        grad = 1.5 * grad - 0.5 * (_multiply(hp, p) + _multiply(p, hp) + _multiply(square, h))
    grad_normed -= 0.5 * grad  # P₁ = 1.5 I − ½ Σ_N
    grad_normed = 0.5 * (grad_normed + tl.trans(grad_normed))
    grad_trace -= _dot(grad_normed, normed) / trace  # through Σ / tr Σ
    tl.store(grad_covs + offsets, grad_normed / trace + grad_trace * unit, mask=mask)


@triton.jit
def _square(program, D: tl.constexpr, ROWS: tl.constexpr):
    """Offsets and mask (ROWS, ROWS) of a program's matrix, and the unit matrix of its D rows."""
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, ROWS)[None, :]
    mask = (row < D) & (column < D)
    return program.to(tl.int64) * D * D + row * D + column, mask, tl.where(mask & (row == column), 1.0, 0.0)


@triton.jit
def _iterate(p, normed, steps):
    for _ in range(steps):
        cube = _multiply(_multiply(p, p), p)
        p = 1.5 * p - 0.5 * _multiply(cube, normed)
    return p


@triton.jit
def _multiply(a, b):
    return tl.dot(a, b, input_precision='ieee')


@triton.jit
def _dot(a, b):
    """The sum of a · b over all elements."""
    return tl.sum(tl.sum(a * b, 1), 0)
