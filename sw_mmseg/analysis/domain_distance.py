"""How far apart two sets of features are: maximum mean discrepancy and distance of covariances (Section 4.3, Figure 3).

The unbiased estimate of MMD² with the mean of five Gaussian kernels k(x, y) = exp(−|x − y|² / 2σ²), whose σ stand to
each other as 1, 2, 4, 8, 16, as in the paper's reference [18]. That work fixes σ at these numbers, for features of a
scale that it knows; here the middle one is the median distance between features of both sets, so that layers and
networks whose features differ in scale are compared by one measure: 0 for equal distributions, below 2.

Features come as (P, K, D): K of D channels from each of P pictures. Pixels of one picture resemble each other, so the
picture is the unit of all statistics: pairs of features from one picture stay out of the estimate, which is biased
otherwise, and the permutation test exchanges whole pictures. Kernels are summed block by block into a P×P matrix, from
which every permutation follows; beside that matrix the memory is linear in the number of features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['RELATIVE_SIGMAS', 'Discrepancy', 'covariance_distance', 'mmd']

RELATIVE_SIGMAS = (0.25, 0.5, 1.0, 2.0, 4.0)  # 1, 2, 4, 8, 16 over the middle one
MEDIAN_OF = 1000  # features whose distances give the median
BLOCK = 1024  # features a side of a block of kernels: 8 MiB in fp64


class Discrepancy(NamedTuple):
    """MMD² and what surrounds it."""

    value: float
    error: float  # standard error over pictures, by the jackknife; NaN with fewer than three pictures a set
    null_low: float  # between these lie 95% of the values that exchanged pictures give, where no difference is
    null_high: float
    p_value: float  # share of exchanges that reach the value


def mmd(
    x: Tensor,
    y: Tensor,
    permutations: int = 500,
    seed: int = 0,
    sigmas: tuple[float, ...] | None = None,
    block: int = BLOCK,
) -> Discrepancy:
    """Unbiased MMD² of x (P, K, D) and y (Q, K, D), computed in fp64, with a permutation test.

    Args:
        sigmas: of the kernels, absolute; None takes `RELATIVE_SIGMAS` times the median distance.
        permutations: how many exchanges of pictures; 0 leaves interval and p-value NaN.
        block: features a side of what is computed at once.

    Raises:
        ValueError: other shapes, fewer than two pictures in a set, values that are not finite.
    """
    m, n = _check(x, y)
    pooled = torch.cat([x, y]).double()
    pooled = pooled - pooled.mean((0, 1))
    widths = sigmas or tuple(factor * median_distance(pooled) for factor in RELATIVE_SIGMAS)
    kernels = picture_kernels(pooled, widths, block).fill_diagonal_(0)
    source = torch.zeros(m + n, dtype=torch.float64)
    source[:m] = 1
    value = _estimates(kernels, source[None]).item()
    error = _jackknife(kernels, source) if min(m, n) > 2 else float('nan')
    if not permutations:
        return Discrepancy(value, error, *[float('nan')] * 3)
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.stack([source[torch.randperm(m + n, generator=generator)] for _ in range(permutations)])
    null = _estimates(kernels, shuffled)
    low, high = torch.quantile(null, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    reached = int((null >= value - 1e-12).sum())
    return Discrepancy(value, error, low, high, (1 + reached) / (1 + permutations))


def covariance_distance(x: Tensor, y: Tensor) -> float:
    """‖Cx − Cy‖_F over ‖(Cx + Cy) / 2‖_F, with C the covariance of all features of (P, K, D): 0 for equal ones.

    CORAL's distance, ‖Cx − Cy‖²_F / 4D², depends on the scale of the features; this one compares layers and networks.
    """
    _check(x, y)
    first, second = (
        torch.cov(features.double().flatten(0, 1).T, correction=0).reshape(x.shape[-1], -1) for features in (x, y)
    )
    size = torch.linalg.matrix_norm((first + second) / 2)
    return (torch.linalg.matrix_norm(first - second) / size).item() if size > 0 else 0.0


def median_distance(features: Tensor) -> float:
    """Of pairs of at most `MEDIAN_OF` features, evenly chosen from (P, K, D); of the distances that are not 0, and 1
    where all are."""
    flat = features.flatten(0, 1)
    chosen = torch.linspace(0, len(flat) - 1, min(len(flat), MEDIAN_OF)).round().long()
    distances = torch.pdist(flat[chosen])
    distances = distances[distances > 0]
    return distances.median().item() if len(distances) else 1.0


def picture_kernels(features: Tensor, sigmas: tuple[float, ...], block: int = BLOCK) -> Tensor:
    """(P, P): kernels averaged over `sigmas` and over the K×K pairs of every two pictures of (P, K, D)."""
    pictures, samples, _ = features.shape
    step = max(1, block // samples)
    sums = features.new_zeros(pictures, pictures)
    for i in range(0, pictures, step):
        for j in range(i, pictures, step):
            rows, columns = features[i : i + step], features[j : j + step]
            squared = torch.cdist(
                rows.flatten(0, 1), columns.flatten(0, 1), compute_mode='use_mm_for_euclid_dist'
            ).square_()
            kernels = sum(torch.exp(squared * (-0.5 / sigma**2)) for sigma in sigmas) / len(sigmas)
            part = kernels.reshape(len(rows), samples, len(columns), samples).mean((1, 3))
            sums[i : i + step, j : j + step] = part
            sums[j : j + step, i : i + step] = part.T
    return sums


def _check(x: Tensor, y: Tensor) -> tuple[int, int]:
    if x.dim() != 3 or y.dim() != 3 or x.shape[1:] != y.shape[1:]:
        raise ValueError(
            f'features must be (pictures, K, channels) with the same K and channels, not {tuple(x.shape)} '
            f'and {tuple(y.shape)}'
        )
    if min(len(x), len(y)) < 2:
        raise ValueError(f'a distance needs at least two pictures of each domain, not {len(x)} and {len(y)}')
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError('features are not finite: the network has diverged')
    return len(x), len(y)


def _parts(kernels: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums within source, within target and between, (R,) each, of memberships (R, P) of 0 and 1."""
    source_sum = ((source @ kernels) * source).sum(-1)
    target = 1 - source
    target_sum = ((target @ kernels) * target).sum(-1)
    return source_sum, target_sum, (kernels.sum() - source_sum - target_sum) / 2


def _combine(source_sum: Tensor, target_sum: Tensor, between: Tensor, m: int, n: int) -> Tensor:
    return source_sum / (m * (m - 1)) + target_sum / (n * (n - 1)) - 2 * between / (m * n)


def _estimates(kernels: Tensor, source: Tensor) -> Tensor:
    """MMD² of every row of memberships (R, P), from kernels (P, P) with a diagonal of zeros."""
    m = int(source[0].sum())
    return _combine(*_parts(kernels, source), m, source.shape[1] - m)


def _jackknife(kernels: Tensor, source: Tensor) -> float:
    """Standard error from leaving out a picture of either set at a time."""
    source_sum, target_sum, between = _parts(kernels, source[None])
    to_source, to_target = kernels @ source, kernels @ (1 - source)
    m, chosen = int(source.sum()), source.bool()
    n, variance = len(source) - m, 0.0
    without_source = _combine(source_sum - 2 * to_source[chosen], target_sum, between - to_target[chosen], m - 1, n)
    without_target = _combine(source_sum, target_sum - 2 * to_target[~chosen], between - to_source[~chosen], m, n - 1)
    for values in (without_source, without_target):
        count = len(values)
        variance += (count - 1) / count * (values - values.mean()).square().sum().item()
    return variance**0.5
