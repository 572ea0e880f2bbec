"""Σ^(−1/2) of small symmetric positive definite matrices, and its gradient, both by hand.

`newton` is Equation 7: P₀ = I, Pₖ₊₁ = ½(3Pₖ − Pₖ³ Σ_N) with Σ_N = Σ / tr Σ, then P_T / √tr Σ. T = 5 leaves a known
residual in directions of small variance, which acts as a regulariser; its gradient is that of the iteration itself.

`eigh` is Equation 4, ZCA whitening. The paper's gradient (Equation 16) divides by differences of eigenvalues and fails
where two coincide. Written for the matrix function instead, the divided difference of σ^(−1/2) is
−1 / (√σᵢ √σⱼ (√σᵢ + √σⱼ)), which is finite for all positive eigenvalues, equal ones included.

Each forward returns what its backward needs. With D = 1 both are the exact reciprocal square root.
"""

import torch
from torch import Tensor

__all__ = ['INVERSE_SQRT', 'inverse_sqrt', 'inverse_sqrt_backward']

INVERSE_SQRT = ('newton', 'eigh')


def inverse_sqrt(cov: Tensor, method: str, iterations: int, eps: float) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Inverse square roots of cov (..., D, D) whose eigenvalues are at least eps, and the tensors for the backward."""
    if cov.shape[-1] == 1:
        root = cov.rsqrt()
        return root, (root,)
    if method == 'newton':
        return _newton(cov, iterations)
    return _eigh(cov, eps)


def inverse_sqrt_backward(grad: Tensor, saved: tuple[Tensor, ...], method: str) -> Tensor:
    """dL/dΣ (symmetric) from dL/dΣ^(−1/2), both (..., D, D)."""
    if grad.shape[-1] == 1:
        return -0.5 * grad * saved[0] ** 3
    grad = (grad + grad.mT) / 2
    return _newton_backward(grad, saved) if method == 'newton' else _eigh_backward(grad, saved)


def _newton(cov: Tensor, iterations: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    shape, d = cov.shape, cov.shape[-1]
    cov = cov.reshape(-1, d, d)
    trace = cov.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    normed = cov / trace
    p = 1.5 * torch.eye(d, dtype=cov.dtype, device=cov.device) - 0.5 * normed  # P₁, since P₀ = I
    iterates = []
    for _ in range(iterations - 1):
        square = torch.bmm(p, p)
        cube = torch.bmm(square, p)
        iterates += [p, cube]
        p = torch.baddbmm(p, cube, normed, beta=1.5, alpha=-0.5)
    root = p * trace.rsqrt()
    return root.reshape(shape), (trace, normed, p, *iterates)


def _newton_backward(grad: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    """Reverse of the iteration. P and Σ_N are symmetric and commute, so with H = G Σ_N

    dL/dPₖ = 1.5 G − ½(H P² + P H P + P² H)   and   dL/dΣ_N gains −½ P³ G, of which the symmetric part counts.
    """
    trace, normed, last, *iterates = saved
    shape = grad.shape
    grad = grad.reshape(last.shape)
    inverse_root = trace.rsqrt()
    # through P_T / √tr
    grad_trace = -0.5 * (grad * last).sum((-2, -1), keepdim=True) * inverse_root / trace
    grad = grad * inverse_root
    grad_normed = torch.zeros_like(normed)
    for p, cube in zip(reversed(iterates[0::2]), reversed(iterates[1::2])):
        grad_normed = torch.baddbmm(grad_normed, cube, grad, alpha=-0.5)
        h = torch.bmm(grad, normed)
        hp = torch.bmm(h, p)
        grad = torch.baddbmm(grad, hp, p, beta=1.5, alpha=-0.5)
        grad = torch.baddbmm(grad, p, torch.baddbmm(hp, p, h), alpha=-0.5)
    grad_normed = (grad_normed + grad_normed.mT) / 2 - 0.5 * grad  # P₁ = 1.5 I − ½ Σ_N
    # through Σ / tr Σ
    grad_trace = grad_trace - (grad_normed * normed).sum((-2, -1), keepdim=True) / trace
    identity = torch.eye(normed.shape[-1], dtype=grad.dtype, device=grad.device)
    return (grad_normed / trace + grad_trace * identity).reshape(shape)


def _eigh(cov: Tensor, eps: float) -> tuple[Tensor, tuple[Tensor, ...]]:
    identity = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    finite = torch.isfinite(cov).all(-1, keepdim=True).all(-2, keepdim=True)
    # the solver refuses NaN: such matrices are set aside and return as NaN, their neighbours stay exact
    values, vectors = torch.linalg.eigh(torch.where(finite, cov, identity))
    roots = values.clamp_min(eps).rsqrt()  # rounding alone can push an eigenvalue below eps
    root = torch.matmul(vectors * roots.unsqueeze(-2), vectors.mT)
    return torch.where(finite, root, torch.nan), (roots, vectors)


def _eigh_backward(grad: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    roots, vectors = saved  # σ^(−1/2): with r = σ^(−1/2), the divided difference is −rᵢ² rⱼ² / (rᵢ + rⱼ)
    inner = torch.matmul(torch.matmul(vectors.mT, grad), vectors)
    row, column = roots.unsqueeze(-1), roots.unsqueeze(-2)
    inner = inner * -((row * column).square() / (row + column))
    return torch.matmul(torch.matmul(vectors, inner), vectors.mT)
