"""Mean and covariance of every sample and group, gathered in one pass over the activation (Equations 2 and 3).

Everything that Ω can name derives from these per-sample moments, so the activation is read once. A plain
E[x xᵀ] − μ μᵀ loses its digits when a mean is many standard deviations from zero; where that threatens, the pass is
repeated on centred values.

With D = 1 no matrix is built: means and variances come from torch's own `var_mean`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['Moments', 'as_slices', 'centre', 'moments_backward', 'outer', 'pool_moments', 'sample_moments']

# The largest relative error of a variance that cancellation may cause before the moments are gathered again.
_CANCELLATION_TOLERANCE = 1e-5


class Moments(NamedTuple):
    """Mean (N, G, D) and biased covariance (N, G, D, D), without eps."""

    mean: Tensor
    cov: Tensor


def as_slices(x: Tensor, group_size: int) -> Tensor:
    """A view of x (N, C, *) as (N, G, D, L), without a copy where the memory format allows it."""
    n, c = x.shape[:2]
    return x.reshape(n, c // group_size, group_size, math.prod(x.shape[2:]))  # N G D L


def sample_moments(slices: Tensor) -> tuple[Moments, Tensor]:
    """Moments of slices (N, G, D, L), each sample and group on its own, in the dtype of `slices`.

    Beside them the slices that the next pass should read: `slices` itself, or a copy with every sample's mean removed
    where rounding made that necessary.
    """
    n, g, d, length = slices.shape
    if d == 1:
        if n == 0:  # nothing to warn about
            return Moments(slices.new_zeros(n, g, d), slices.new_zeros(n, g, d, d)), slices
        var, mean = torch.var_mean(slices, dim=-1, correction=0)  # N G 1
        return Moments(mean, var.unsqueeze(-1)), slices
    mean = slices.mean(-1)  # N G D
    cov = outer(slices, slices) / length - mean.unsqueeze(-1) * mean.unsqueeze(-2)
    centred, shift = centre(slices, Moments(mean, cov))
    if shift is not None:
        cov = outer(centred, centred) / length
    return Moments(mean, cov), centred


def centre(slices: Tensor, sample: Moments | None) -> tuple[Tensor, Tensor | None]:
    """Slices to compute with, and what was subtracted from them: (slices, None), or (slices − μ, μ).

    The second where some variance is so small beside its squared mean that rounding would show.
    """
    if sample is None or slices.shape[-2] == 1 or not _cancels(sample):
        return slices, None
    return slices - sample.mean.unsqueeze(-1), sample.mean


def outer(a: Tensor, b: Tensor) -> Tensor:
    """Σ_l a bᵀ of each sample and group: (N, G, D, D) from two (N, G, D, L)."""
    n, g, d, length = a.shape
    return torch.bmm(a.reshape(n * g, d, length), b.reshape(n * g, d, length).mT).view(n, g, d, d)


def _cancels(sample: Moments) -> bool:
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or sample.cov.is_cuda:
        return True  # a branch on data would break the graph or stall the device: centre always
    limit = _CANCELLATION_TOLERANCE / torch.finfo(sample.mean.dtype).eps
    return bool((sample.mean.square() > limit * sample.cov.diagonal(dim1=-2, dim2=-1)).any())


def pool_moments(sample: Moments) -> Moments:
    """Moments (1, G, D), (1, G, D, D) of the whole batch, whose samples all have the same number of pixels.

    The law of total covariance: within-sample plus between-sample, free of cancellation.
    """
    mean = sample.mean.mean(0, keepdim=True)  # 1 G D
    apart = sample.mean - mean  # N G D
    between = torch.einsum('ngd,nge->gde', apart, apart) / sample.mean.shape[0]
    return Moments(mean, sample.cov.mean(0, keepdim=True) + between)


def moments_backward(grad_mean: Tensor, grad_cov: Tensor, mean: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The matrix B (N, G, D, D) and vector c (N, G, D) with dL/dx = B x + c, from gradients of the sample moments.

    dμ/dx = 1/L and dΣ/dx contributes 2/L · sym(dL/dΣ)(x − μ).
    """
    matrix = (grad_cov + grad_cov.mT) / length
    vector = grad_mean / length - torch.matmul(matrix, mean.unsqueeze(-1)).squeeze(-1)
    return matrix, vector
