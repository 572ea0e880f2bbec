"""Newton's iteration (Equation 7) and its gradient on one matrix of at most 64 rows: parts of Triton kernels.

The mathematics, and the names, are those of `inverse_sqrt`. The iterates that the backward needs are computed anew, each
from the first one: quadratic in T, but a few small products in registers cost less than a way to memory and back.
Products are plain fp32: they are so few that tensor cores would gain nothing.
"""

import triton
import triton.language as tl

__all__ = ['inner', 'newton_gradient', 'newton_root', 'rows_for', 'square', 'warps_for']


def rows_for(d: int) -> int:
    """Rows of the square of registers that holds a (D, D) matrix."""
    return max(triton.next_power_of_2(d), 16)


def warps_for(d: int) -> int:
    """So many that a product's operands fit into the registers; at 64 rows they do not, and some wait in memory."""
    return rows_for(d) // 4


@triton.jit
def square(program, D: tl.constexpr, ROWS: tl.constexpr):
    """Offsets and mask (ROWS, ROWS) of a program's matrix, and the identity of its D rows."""
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, ROWS)[None, :]
    mask = (row < D) & (column < D)
    return program.to(tl.int64) * D * D + row * D + column, mask, tl.where(mask & (row == column), 1.0, 0.0)


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
