"""Σ^(−1/2) of small symmetric positive definite matrices, and its gradient, both by hand.

`newton` is Equation 7: P₀ = I, Pₖ₊₁ = ½(3Pₖ − Pₖ³ Σ_N) with Σ_N = Σ / tr Σ, then P_T / √tr Σ. T = 5 leaves a known
residual in directions of small variance, which acts as a regulariser; its gradient is that of the iteration itself.

`eigh` is Equation 4, ZCA whitening. The paper's gradient (Equation 16) divides by differences of eigenvalues and fails
where two coincide. Written for the matrix function instead, the divided difference of σ^(−1/2) is
−1 / (√σᵢ √σⱼ (√σᵢ + √σⱼ)), which is finite for all positive eigenvalues, equal ones included.

Each forward returns what its backward needs; Newton's is Σ alone, from which the iterates are computed anew. With D = 1
both are the exact reciprocal square root.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .settings import Settings

__all__ = ['INVERSE_SQRT', 'inverse_sqrt', 'inverse_sqrt_backward', 'newton', 'newton_backward']

INVERSE_SQRT = ('newton', 'eigh')


def inverse_sqrt(cov: Tensor, settings: Settings,
                 iterate: Callable[[Tensor, int], Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Inverse square roots of cov (..., D, D) whose eigenvalues are at least eps, and the tensors for the backward.

    `iterate` is `newton`, or what a device has in its place.
    """
    if cov.shape[-1] == 1:
        return cov.rsqrt(), ()
    if settings.inverse_sqrt == 'newton':
        return (iterate or newton)(cov, settings.iterations), (cov,)
    return _eigh(cov, settings.eps)


def inverse_sqrt_backward(grad: Tensor, root: Tensor, factors: tuple[Tensor, ...], settings: Settings,
                          iterate_backward: Callable[[Tensor, Tensor, int], Tensor] | None = None) -> Tensor:
    """dL/dΣ (symmetric) from dL/dΣ^(−1/2), both (..., D, D)."""
    if grad.shape[-1] == 1:
        return -0.5 * grad * root ** 3
    grad = (grad + grad.mT) / 2
    if settings.inverse_sqrt == 'newton':
        return (iterate_backward or newton_backward)(grad, *factors, settings.iterations)
    return _eigh_backward(grad, factors)


def newton(cov: Tensor, iterations: int) -> Tensor:
    """P_T / √tr Σ of cov (..., D, D)."""
    trace, _, iterates, _ = _iterate(cov, iterations)
    return (iterates[-1] * trace.rsqrt()).reshape(cov.shape)


def newton_backward(grad: Tensor, cov: Tensor, iterations: int) -> Tensor:
    """Reverse of the iteration, for symmetric grad. P and Σ_N are symmetric and commute, so with H = G Σ_N

    dL/dPₖ = 1.5 G − ½(H P² + P H P + P² H)   and   dL/dΣ_N gains −½ P³ G, of which the symmetric part counts.
    """
    trace, normed, iterates, cubes = _iterate(cov, iterations)
    grad = grad.reshape(normed.shape)
    inverse_root = trace.rsqrt()
    # through P_T / √tr
    grad_trace = -0.5 * (grad * iterates[-1]).sum((-2, -1), keepdim=True) * inverse_root / trace
    grad = grad * inverse_root
    grad_normed = torch.zeros_like(normed)
    for p, cube in zip(reversed(iterates[:-1]), reversed(cubes)):
        grad_normed = torch.baddbmm(grad_normed, cube, grad, alpha=-0.5)
        h = torch.bmm(grad, normed)
        hp = torch.bmm(h, p)
        grad = torch.baddbmm(grad, hp, p, beta=1.5, alpha=-0.5)
        grad = torch.baddbmm(grad, p, torch.baddbmm(hp, p, h), alpha=-0.5)
    grad_normed = (grad_normed + grad_normed.mT) / 2 - 0.5 * grad  # P₁ = 1.5 I − ½ Σ_N
    # through Σ / tr Σ
    grad_trace = grad_trace - (grad_normed * normed).sum((-2, -1), keepdim=True) / trace
    identity = torch.eye(normed.shape[-1], dtype=grad.dtype, device=grad.device)
    return (grad_normed / trace + grad_trace * identity).reshape(cov.shape)


def _iterate(cov: Tensor, iterations: int) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """tr Σ (M, 1, 1), Σ_N (M, D, D), P₁ … P_T and P₁³ … P³_{T−1} of cov (..., D, D)."""
    d = cov.shape[-1]
    cov = cov.reshape(-1, d, d)
    trace = cov.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    normed = cov / trace
    iterates = [1.5 * torch.eye(d, dtype=cov.dtype, device=cov.device) - 0.5 * normed]  # P₁, since P₀ = I
    cubes = []
    for _ in range(iterations - 1):
        p = iterates[-1]
        cubes.append(torch.bmm(torch.bmm(p, p), p))
        iterates.append(torch.baddbmm(p, cubes[-1], normed, beta=1.5, alpha=-0.5))
    return trace, normed, iterates, cubes


def _eigh(cov: Tensor, eps: float) -> tuple[Tensor, tuple[Tensor, ...]]:
    identity = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    finite = torch.isfinite(cov).all(-1, keepdim=True).all(-2, keepdim=True)
    # the solver refuses NaN: such matrices are set aside and return as NaN, their neighbours stay exact
    values, vectors = torch.linalg.eigh(torch.where(finite, cov, identity))
    # what is below these is rounding, of a cov whose eigenvalues are at least eps
    floor = (cov.shape[-1] * torch.finfo(cov.dtype).eps * values[..., -1:]).clamp_min(eps)
    roots = torch.maximum(values, floor).rsqrt()
    root = torch.matmul(vectors * roots.unsqueeze(-2), vectors.mT)
    return torch.where(finite, root, torch.nan), (roots, vectors)


def _eigh_backward(grad: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    roots, vectors = saved  # σ^(−1/2): with r = σ^(−1/2), the divided difference is −rᵢ² rⱼ² / (rᵢ + rⱼ)
    inner = torch.matmul(torch.matmul(vectors.mT, grad), vectors)
    row, column = roots.unsqueeze(-1), roots.unsqueeze(-2)
    inner = inner * -((row * column).square() / (row + column))
    return torch.matmul(torch.matmul(vectors, inner), vectors.mT)
