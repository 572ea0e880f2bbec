"""Σ^(−1/2) of small symmetric positive definite matrices, and its gradient, both by hand.

`newton` is Equation 7: P₀ = I, Pₖ₊₁ = ½(3Pₖ − Pₖ³ Σ_N) with Σ_N = Σ / tr Σ, then P_T / √tr Σ. T = 5 leaves a known
residual in directions of small variance, which acts as a regulariser; its gradient is that of the iteration itself.
It is computed in its coupled form, Z = P and Y = Σ_N P, M = 1.5 I − ½ Z Y, Z ← M Z, Y ← Y M: the same polynomial of Σ
with as many products, in which rounding does not grow (as written, fp32 is lost from T = 9 on).

`eigh` is Equation 4, ZCA whitening. The paper's gradient (Equation 16) divides by differences of eigenvalues and fails
where two coincide. Written for the matrix function instead, the divided difference of σ^(−1/2) is
−1 / (√σᵢ √σⱼ (√σᵢ + √σⱼ)), which is finite for all positive eigenvalues, equal ones included. Where torch itself is to
differentiate, as in the transforms of `torch.func`, its gradient of `eigh` has the same fault; what it gets instead is
steps of Newton's method on P Σ P = I from the root, each of which is the identity in value and makes one more
derivative exact.

Each forward returns what its backward needs; Newton's is Σ alone, from which the iterates are computed anew. With D = 1
both are the exact reciprocal square root.
"""

import torch
from torch import Tensor

from ..tracing import is_transformed
from .settings import Settings

__all__ = ['INVERSE_SQRT', 'inverse_sqrt', 'inverse_sqrt_backward', 'newton', 'newton_backward']

INVERSE_SQRT = ('newton', 'eigh')


def inverse_sqrt(cov: Tensor, settings: Settings, rounding: float = 0.0) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Inverse square roots of cov (..., D, D) whose eigenvalues are at least eps, and the tensors for the backward.

    `rounding` is the relative error of the elements of cov, where it is larger than that of its dtype.
    """
    if cov.shape[-1] == 1:
        return cov.rsqrt(), ()
    if settings.inverse_sqrt == 'newton':
        return newton(cov, settings.iterations), (cov,)
    return _eigh(cov, settings.eps, max(rounding, torch.finfo(cov.dtype).eps))


def inverse_sqrt_backward(grad: Tensor, root: Tensor, factors: tuple[Tensor, ...], settings: Settings) -> Tensor:
    """dL/dΣ (symmetric) from dL/dΣ^(−1/2), both (..., D, D)."""
    if grad.shape[-1] == 1:
        return -0.5 * grad * root * root * root  # root³ alone may be too small for fp32
    grad = (grad + grad.transpose(-2, -1)) / 2
    if settings.inverse_sqrt == 'newton':
        return newton_backward(grad, factors[0], settings.iterations)
    return _eigh_backward(grad.to(factors[0].dtype), *factors).to(grad.dtype)


def newton(cov: Tensor, iterations: int) -> Tensor:
    """P_T / √tr Σ of cov (..., D, D)."""
    trace, _, last, _ = _iterate(cov, iterations)
    return (last * trace.rsqrt()).reshape(cov.shape)


def newton_backward(grad: Tensor, cov: Tensor, iterations: int) -> Tensor:
    """Reverse of the coupled iteration, for symmetric grad. With G_Z, G_Y the gradients of the new Z and Y, and
    G_M = Y G_Y + G_Z Z,

    dL/dZ = M G_Z − ½ G_M Y   and   dL/dY = G_Y M − ½ Z G_M.
    """
    trace, normed, last, steps = _iterate(cov, iterations)
    grad = grad.reshape(normed.shape)
    inverse_root = trace.rsqrt()
    # through P_T / √tr
    grad_trace = -0.5 * (grad * last).sum((-2, -1), keepdim=True) * inverse_root / trace
    to_z, to_y = grad * inverse_root, torch.zeros_like(grad)
    for z, y, m in reversed(steps):
        to_m = torch.baddbmm(torch.bmm(y, to_y), to_z, z)
        to_z, to_y = (
            torch.baddbmm(torch.bmm(m, to_z), to_m, y, alpha=-0.5),
            torch.baddbmm(torch.bmm(to_y, m), z, to_m, alpha=-0.5),
        )
    # through Y₁ = Σ_N Z₁ and Z₁ = 1.5 I − ½ Σ_N
    first = steps[0][0] if steps else last
    grad_normed = torch.baddbmm(torch.bmm(to_y, first), normed, to_y, alpha=-0.5) - 0.5 * to_z
    grad_normed = (grad_normed + grad_normed.transpose(-2, -1)) / 2
    # through Σ / tr Σ
    grad_trace = grad_trace - (grad_normed * normed).sum((-2, -1), keepdim=True) / trace
    identity = torch.eye(normed.shape[-1], dtype=grad.dtype, device=grad.device)
    return (grad_normed / trace + grad_trace * identity).reshape(cov.shape)


def _iterate(cov: Tensor, iterations: int) -> tuple[Tensor, Tensor, Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """tr Σ (M, 1, 1), Σ_N and P_T (M, D, D), and Z, Y, M of k = 1 … T − 1, of cov (..., D, D)."""
    d = cov.shape[-1]
    cov = cov.reshape(-1, d, d)
    trace = cov.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    normed = cov / trace
    identity = 1.5 * torch.eye(d, dtype=cov.dtype, device=cov.device)
    z = identity - 0.5 * normed  # P₁, since P₀ = I
    y = torch.bmm(normed, z) if iterations > 1 else z
    steps = []
    for _ in range(iterations - 1):
        m = torch.baddbmm(identity, z, y, alpha=-0.5)
        steps.append((z, y, m))
        z, y = torch.bmm(m, z), torch.bmm(y, m)
    return trace, normed, z, steps


def _eigh(cov: Tensor, eps: float, rounding: float) -> tuple[Tensor, tuple[Tensor, ...]]:
    identity = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    finite = torch.isfinite(cov).all(-1, keepdim=True).all(-2, keepdim=True)
    # the solver refuses NaN: such matrices are set aside and return as NaN, their neighbours stay exact
    cov = torch.where(finite, cov, identity)
    values, vectors = torch.linalg.eigh(cov.detach())
    # Below these an eigenvalue is rounding, of a cov whose eigenvalues are at least eps. Element (i, j) of cov is off
    # by `rounding` √(Σᵢᵢ Σⱼⱼ), so that a constant channel among large ones keeps its own eigenvalue, eps.
    variances = torch.matmul(vectors.square().transpose(-2, -1), cov.detach().diagonal(dim1=-2, dim2=-1).unsqueeze(-1))
    floor = (cov.shape[-1] * rounding * variances.squeeze(-1)).clamp_min(eps)
    roots = torch.maximum(values, floor).rsqrt()
    root = torch.matmul(vectors * roots.unsqueeze(-2), vectors.transpose(-2, -1))
    if cov.requires_grad or is_transformed():
        root = _differentiable(root, cov, roots, vectors)
    return torch.where(finite, root, torch.nan), (roots, vectors)


def _differentiable(root: Tensor, cov: Tensor, roots: Tensor, vectors: Tensor) -> Tensor:
    """`root`, which has no gradient, as a function of cov: right in its first three derivatives. The inverse of the
    slope of P Σ P at the root divides element (i, j) by 1/rᵢ + 1/rⱼ in the eigenvectors' basis."""
    row, column = roots.unsqueeze(-1), roots.unsqueeze(-2)
    transposed = vectors.transpose(-2, -1)
    # where eigenvalues below their rounding were raised, the root is that of a matrix with the raised ones
    raised = torch.matmul(vectors * roots.unsqueeze(-2).pow(-2), transposed)
    cov = raised + (cov - cov.detach())
    for _ in range(3):
        product = torch.matmul(torch.matmul(root, cov), root)
        change = product - product.detach()  # from I, but for rounding, which would add up in the root
        inner = torch.matmul(torch.matmul(transposed, change), vectors) * (row * column / (row + column))
        root = root - torch.matmul(torch.matmul(vectors, inner), transposed)
    return root


def _eigh_backward(grad: Tensor, roots: Tensor, vectors: Tensor) -> Tensor:
    """`roots` are σ^(−1/2): with r for them, the divided difference is −rᵢ² rⱼ² / (rᵢ + rⱼ)."""
    inner = torch.matmul(torch.matmul(vectors.transpose(-2, -1), grad), vectors)
    row, column = roots.unsqueeze(-1), roots.unsqueeze(-2)
    inner = inner * -((row * column).square() / (row + column))
    return torch.matmul(torch.matmul(vectors, inner), vectors.transpose(-2, -1))
