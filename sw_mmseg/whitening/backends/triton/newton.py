"""Newton's iteration (Equation 7) and its gradient in Triton: a program a matrix of at most 64 rows, all in registers.

The mathematics, and the names, are those of `inverse_sqrt`. The iterates that the backward needs are computed anew,
each from the first one: quadratic in T, but in registers, and a product of two such matrices is small. Products are
plain fp32: there are so few that tensor cores would gain nothing.
"""

import functools

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import launch

__all__ = ['inner', 'newton', 'newton_backward', 'newton_gradient', 'newton_root', 'square', 'square_of',
           'squares']


def newton(cov: Tensor, iterations: int) -> Tensor:
    """P_T / √tr Σ of cov (..., D, D)."""
    cov = cov.contiguous()
    root = torch.empty_like(cov)
    _launch(_newton_kernel, iterations, cov, root)
    return root


def newton_backward(grad: Tensor, cov: Tensor, iterations: int) -> Tensor:
    """dL/dΣ, symmetric, from symmetric dL/dΣ^(−1/2), both (..., D, D)."""
    grad, cov = grad.contiguous(), cov.contiguous()
    grad_cov = torch.empty_like(cov)
    _launch(_newton_backward_kernel, iterations, grad, cov, grad_cov)
    return grad_cov


@functools.cache
def square_of(d: int) -> dict[str, int]:
    """Compile-time arguments and warps of a kernel whose program holds one (D, D) matrix, in ROWS² registers.

    So many warps that the operands of a product fit into registers; at 64 rows they do not, and some wait in memory.
    """
    rows = max(triton.next_power_of_2(d), 16)
    return {'D': d, 'ROWS': rows, 'num_warps': rows // 4, 'num_stages': 1}


def _launch(kernel: triton.JITFunction, iterations: int, *matrices: Tensor) -> None:
    d = matrices[0].shape[-1]
    count = matrices[0].numel() // (d * d)
    if count:
        launch(kernel, count, *matrices, ITERATIONS=iterations, **square_of(d))


# From here on, kernels and their parts.


@triton.jit
def _newton_kernel(covs, roots, ITERATIONS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    offsets, mask, unit = square(tl.program_id(0), D, ROWS)
    cov = tl.load(covs + offsets, mask=mask, other=0.0)
    tl.store(roots + offsets, newton_root(cov, unit, ITERATIONS), mask=mask)


@triton.jit
def _newton_backward_kernel(grads, covs, grad_covs, ITERATIONS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    offsets, mask, unit = square(tl.program_id(0), D, ROWS)
    cov = tl.load(covs + offsets, mask=mask, other=0.0)
    grad = tl.load(grads + offsets, mask=mask, other=0.0)
    tl.store(grad_covs + offsets, newton_gradient(grad, cov, unit, ITERATIONS), mask=mask)


@triton.jit
def square(program, D: tl.constexpr, ROWS: tl.constexpr):
    """Offsets and mask (ROWS, ROWS) of a program's matrix, and the identity of its D rows."""
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, ROWS)[None, :]
    mask = (row < D) & (column < D)
    return program.to(tl.int64) * D * D + row * D + column, mask, tl.where(mask & (row == column), 1.0, 0.0)


@triton.jit
def squares(index, valid, D: tl.constexpr, ROWS: tl.constexpr):
    """Offsets and mask (PARTS, ROWS, ROWS) of several matrices, of which the `valid` ones are loaded."""
    row, column = tl.arange(0, ROWS)[None, :, None], tl.arange(0, ROWS)[None, None, :]
    mask = valid[:, None, None] & (row < D) & (column < D)
    return index.to(tl.int64)[:, None, None] * D * D + row * D + column, mask


@triton.jit
def newton_root(cov, unit, ITERATIONS: tl.constexpr):
    """P_T / √tr Σ."""
    trace = inner(cov, unit)
    normed = cov / trace
    z = 1.5 * unit - 0.5 * normed  # P₁, since P₀ = I
    if ITERATIONS > 1:
        z, y = _iterate(z, _multiply(normed, z), unit, ITERATIONS - 2)
        z = _multiply(1.5 * unit - 0.5 * _multiply(z, y), z)
    return z / tl.sqrt(trace)


@triton.jit
def newton_gradient(grad, cov, unit, ITERATIONS: tl.constexpr):
    """dL/dΣ, symmetric, from symmetric dL/dΣ^(−1/2)."""
    trace = inner(cov, unit)
    normed = cov / trace
    first = 1.5 * unit - 0.5 * normed
    second = _multiply(normed, first)
    last, _ = _iterate(first, second, unit, ITERATIONS - 1)
    to_z = grad / tl.sqrt(trace)  # through P_T / √tr
    to_trace = -0.5 * inner(to_z, last) / trace
    to_y = tl.zeros_like(grad)
    for step in range(1, ITERATIONS):
        z, y = _iterate(first, second, unit, ITERATIONS - 1 - step)
        m = 1.5 * unit - 0.5 * _multiply(z, y)
        to_m = _multiply(y, to_y) + _multiply(to_z, z)
        to_z = _multiply(m, to_z) - 0.5 * _multiply(to_m, y)
        to_y = _multiply(to_y, m) - 0.5 * _multiply(z, to_m)
    # through Y₁ = Σ_N Z₁ and Z₁ = 1.5 I − ½ Σ_N
    to_normed = _multiply(to_y, first) - 0.5 * _multiply(normed, to_y) - 0.5 * to_z
    to_normed = 0.5 * (to_normed + tl.trans(to_normed))
    to_trace -= inner(to_normed, normed) / trace  # through Σ / tr Σ
    return to_normed / trace + to_trace * unit


@triton.jit
def inner(a, b):
    """The sum of a · b over all elements."""
    return tl.sum(tl.sum(a * b, 1), 0)


@triton.jit
def _iterate(z, y, unit, steps):
    for _ in range(steps):
        m = 1.5 * unit - 0.5 * _multiply(z, y)
        z, y = _multiply(m, z), _multiply(y, m)
    return z, y


@triton.jit
def _multiply(a, b):
    return tl.dot(a, b, input_precision='ieee')
