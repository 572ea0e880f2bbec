"""The backend in torch's own operations: every device and dtype, and the oracle of the other backends.

A plain E[x xᵀ] − μ μᵀ loses its digits when a mean is many standard deviations from zero; where that threatens, a pass
reads values with the sample's mean removed. The sum that gave the mean was rounded, so what is left of it is removed
too: a constant channel has its exact mean and no variance. With D = 1 no matrix is built.
"""

import torch
from torch import Tensor

from ..maths import Moments, Settings, as_slices, compute_dtype, like
from ..maths import algebra as torch_algebra
from ..tracing import is_followed
from .base import Algebra, Counters

__all__ = ['algebra', 'apply', 'apply_gradient', 'gradient_sums', 'sample_moments', 'shift', 'supported', 'track']

# The largest relative error of a variance that cancellation may cause before a pass is made on centred values.
_CANCELLATION_TOLERANCE = 1e-5


def supported(x: Tensor, group_size: int) -> bool:
    """Always."""
    return True


def algebra(settings: Settings) -> Algebra:
    return torch_algebra


def sample_moments(x: Tensor, group_size: int) -> Moments:
    slices = as_slices(x, group_size).to(compute_dtype(x))
    n, g, d, length = slices.shape
    if d == 1:
        if n == 0:  # nothing to warn about
            return Moments(slices.new_zeros(n, g, d), slices.new_zeros(n, g, d, d))
        var, mean = torch.var_mean(slices, dim=-1, correction=0)  # N G 1
        return Moments(mean, var.unsqueeze(-1))
    mean = slices.mean(-1)  # N G D
    cov = _outer(slices, slices) / length - mean.unsqueeze(-1) * mean.unsqueeze(-2)
    if shift(Moments(mean, cov)) is not None:
        mean, centred = _centred(slices, mean)
        cov = _outer(centred, centred) / length
    return Moments(mean, cov)


def shift(sample: Moments) -> Tensor | None:
    """The mean where some variance is so small beside the squared mean that rounding would show."""
    if not (is_followed() or sample.cov.is_cuda or sample.cov.is_meta or type(sample.cov) is not Tensor):
        limit = _CANCELLATION_TOLERANCE / torch.finfo(sample.mean.dtype).eps
        if not bool((sample.mean.square() > limit * sample.cov.diagonal(dim1=-2, dim2=-1)).any()):
            return None
    return sample.mean  # a branch on data would break a graph or stall a GPU: there always


def apply(x: Tensor, shift: Tensor | None, matrix: Tensor, vector: Tensor) -> Tensor:
    y = _affine(matrix, _shifted(x, shift, matrix.shape[-1]), vector)
    return like(y, x)


def gradient_sums(dy: Tensor, x: Tensor, shift: Tensor | None, group_size: int) -> tuple[Tensor, Tensor]:
    slices = as_slices(dy, group_size).to(compute_dtype(x))
    return slices.sum(-1), _outer(slices, _shifted(x, shift, group_size))


def apply_gradient(
    dy: Tensor, x: Tensor, shift: Tensor | None, matrix: Tensor, quadratic: Tensor | None, vector: Tensor | None
) -> Tensor:
    d = matrix.shape[-1]
    slices = as_slices(dy, d).to(compute_dtype(x))  # N G D L
    if quadratic is None or vector is None:
        return like(_affine(matrix.transpose(-2, -1), slices, torch.zeros_like(slices[..., 0])), x)
    dx = _affine(quadratic, _shifted(x, shift, d), vector)
    if d == 1:
        return like(dx.addcmul_(matrix, slices), x)
    n, g, _, length = slices.shape
    transposed = matrix.transpose(-2, -1).expand(n, g, d, d).reshape(n * g, d, d)
    dx.view(n * g, d, length).baddbmm_(transposed, slices.reshape(n * g, d, length))
    return like(dx, x)


def track(
    running: Moments,
    counters: Counters,
    new: Moments,
    factor: float | Tensor,
    scale: float | Tensor,
    seen: int | Tensor,
) -> None:
    mean, cov = new.mean.to(running.mean.dtype), (new.cov * scale).to(running.cov.dtype)
    finite = cov.amax() < torch.inf  # false for NaN too; −∞ does not come without ∞ on the diagonal
    for old, moment in ((running.mean, mean), (running.cov, cov)):
        old.add_((torch.where(finite, moment, old) - old) * factor)
    counters.tracked.add_(finite * seen)
    counters.skipped.add_(~finite * seen)


def _centred(slices: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (N, G, D) of slices (N, G, D, L) without its rounding, and the slices about it."""
    centred = slices - mean.unsqueeze(-1)
    remainder = centred.mean(-1)
    return mean + remainder, centred - remainder.unsqueeze(-1)


def _shifted(x: Tensor, shift: Tensor | None, group_size: int) -> Tensor:
    slices = as_slices(x, group_size).to(compute_dtype(x))
    return slices if shift is None else slices - shift.unsqueeze(-1)


def _affine(matrix: Tensor, slices: Tensor, vector: Tensor) -> Tensor:
    """matrix (N or 1, G, D, D) @ slices (N, G, D, L) + vector (N or 1, G, D)."""
    n, g, d, length = slices.shape
    if d == 1:
        return torch.addcmul(vector.unsqueeze(-1), matrix, slices)
    matrix = matrix.expand(n, g, d, d).reshape(n * g, d, d)
    vector = vector.expand(n, g, d).reshape(n * g, d, 1)
    return torch.baddbmm(vector, matrix, slices.reshape(n * g, d, length)).view(n, g, d, length)


def _outer(a: Tensor, b: Tensor) -> Tensor:
    """Σ_l a bᵀ of each sample and group: (N, G, D, D) from two (N, G, D, L)."""
    n, g, d, length = a.shape
    return torch.bmm(a.reshape(n * g, d, length), b.reshape(n * g, d, length).transpose(-2, -1)).view(n, g, d, d)
