"""Mean and covariance (Equations 2 and 3): of samples and of the batch, and their gradients.

Everything that Ω can name derives from the moments of each sample and group, which one pass over the activation gathers
(`backends`); those of the batch follow by the law of total covariance.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    'Moments',
    'as_slices',
    'compute_dtype',
    'dense',
    'either',
    'like',
    'memory_format',
    'moments_backward',
    'pool_moments',
    'with_memory',
]


class Moments(NamedTuple):
    """Mean (N, G, D) and biased covariance (N, G, D, D), without eps."""

    mean: Tensor
    cov: Tensor


def either(first: Moments | None, second: Moments | None) -> Moments:
    """The first of two moments that is there. Raises `ValueError` where neither is."""
    moments = second if first is None else first
    if moments is None:
        raise ValueError('no moments, neither of the samples nor of the batch')
    return moments


def compute_dtype(x: Tensor) -> torch.dtype:
    """Moments and algebra are never in less than fp32."""
    return torch.promote_types(x.dtype, torch.float32)


def dense(x: Tensor) -> Tensor:
    """x itself where it is contiguous or channels_last, else a contiguous copy."""
    return x.contiguous(memory_format=memory_format(x))


def with_memory(x: Tensor) -> Tensor:
    """x with its values in memory: not torch's zeros without any, which it hands on as some gradients, such as that of
    `sgn`, nor a view whose values count as negated, which it makes of the imaginary part of a conjugate."""
    if x._is_zerotensor():
        return x.clone()
    return x.resolve_neg() if x.is_neg() else x


def memory_format(x: Tensor) -> torch.memory_format:
    """channels_last, of the right rank, for tensors that are so and not contiguous; else contiguous."""
    if not x.is_contiguous():
        for rank, candidate in ((4, torch.channels_last), (5, torch.channels_last_3d)):
            if x.dim() == rank and x.is_contiguous(memory_format=candidate):
                return candidate
    return torch.contiguous_format


def as_slices(x: Tensor, group_size: int) -> Tensor:
    """A view of x (N, C, *) as (N, G, D, L), without a copy where the memory format allows it."""
    n, c = x.shape[:2]
    return x.reshape(n, c // group_size, group_size, math.prod(x.shape[2:]))  # N G D L


def like(slices: Tensor, x: Tensor) -> Tensor:
    """The reverse of `as_slices`, in the shape, dtype and memory format of x.

    `slices` is fresh and contiguous: its memory is taken over, and the result is no view of it, which an in-place
    activation behind an autograd function forbids.
    """
    if torch.jit.is_tracing():  # which would write x's shape into the program as numbers
        return slices.reshape(x.shape).to(dtype=x.dtype, memory_format=memory_format(x))
    y = torch.ops.aten._unsafe_view(slices, x.shape)  # private, and torch's only view that autograd takes for no view
    return y.to(dtype=x.dtype, memory_format=memory_format(x))


def pool_moments(sample: Moments) -> Moments:
    """Moments (1, G, D), (1, G, D, D) of the whole batch, whose samples all have the same number of pixels.

    The law of total covariance: within-sample plus between-sample, free of cancellation. Means are averaged as seen
    from the first, so that equal ones have exactly their mean.
    """
    first = sample.mean[:1].sum(0, keepdim=True)  # of no samples zero, and their mean is NaN
    mean = first + (sample.mean - first).mean(0, keepdim=True)  # 1 G D
    deviation = (sample.mean - mean).permute(1, 2, 0)  # G D N
    between = torch.bmm(deviation, deviation.transpose(-2, -1))
    return Moments(mean, (sample.cov.sum(0, keepdim=True) + between) / sample.mean.shape[0])


def moments_backward(grad_mean: Tensor, grad_cov: Tensor, offset: Tensor | None, length: int) -> tuple[Tensor, Tensor]:
    """The matrix B (N, G, D, D) and vector c (N, G, D) with dL/dx = B (x − shift) + c, from gradients of the sample
    moments; offset is μ − shift, or None where that is zero.

    dμ/dx = 1/L and dΣ/dx contributes 2/L · sym(dL/dΣ)(x − μ).
    """
    matrix = (grad_cov + grad_cov.transpose(-2, -1)) / length
    vector = grad_mean / length
    if offset is not None:
        vector = vector - torch.matmul(matrix, offset.unsqueeze(-1)).squeeze(-1)
    return matrix, vector
