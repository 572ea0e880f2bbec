"""Instance-selective whitening (Choi et al., "RobustNet", CVPR 2021): covariances that carry style are driven to zero.

    S     = X X^T / L, X the features of one image, each channel with mean 0 and variance 1    (C, C), a correlation
    V_ij  = mean over images of ((S_ij(x) - S_ij(view of x)) / 2)^2                            i < j
    M_ij  = 1 where V_ij lies above the lowest of three clusters of all V (k-means), else 0
    L_ISW = mean of |S_ij| over M_ij = 1

The variance of two values is the square of half their difference, so V is the paper's variance between an image and its
photometric view. Its two upper clusters (m = 1 of k = 3) hold what light and colour move: style. What stays is content.
"""

import torch
from torch import Tensor

__all__ = ['instance_covariances', 'selective_whitening', 'sensitive_entries', 'variance_between_views']


def instance_covariances(features: Tensor, eps: float = 1e-5) -> Tensor:
    """The strict upper triangles of S, (N, C (C - 1) / 2), row by row, of features (N, C, H, W); in fp32 at least.

    The features' own values are not kept for the backward pass: they may be overwritten in place afterwards.
    """
    channels = features.shape[1]
    rows, columns = torch.triu_indices(channels, channels, 1, device=features.device)
    with torch.autocast(features.device.type, enabled=False):
        features = (features if features.dtype.itemsize >= 4 else features.float()).flatten(2)  # N C L
        features = features - features.mean(2, keepdim=True)
        features = features * (features.square().mean(2, keepdim=True) + eps).rsqrt()
        return (features @ features.transpose(1, 2) / features.shape[2])[:, rows, columns]


def variance_between_views(covariances: Tensor, of_view: Tensor) -> Tensor:
    """V's summands, added over images: (N, P) and (N, P) to (P,)."""
    return ((covariances - of_view) / 2).square().sum(0)


def sensitive_entries(variance: Tensor, clusters: int = 3, insensitive: int = 1) -> Tensor:
    """M (P,), bool: entries of V (P,) above its `insensitive` lowest of `clusters` clusters.

    The clusters are k-means' best, found exactly: on a line they are runs of sorted values, so that the best division
    of the first j values into k runs follows from those into k - 1.
    """
    if not 0 < insensitive < clusters:
        raise ValueError(f'insensitive must lie between 1 and clusters - 1, got {insensitive} of {clusters} clusters')
    values = variance.double().sort().values
    sums = torch.cat([values.new_zeros(1), (values - values.mean()).cumsum(0)])
    worth = sums.square() / torch.arange(len(sums), device=sums.device).clamp(min=1)  # of the first j as one run
    starts = []
    for _ in range(clusters - 1):
        worth, start = _append_run(worth, sums)
        starts.append(start)
    end = len(values)
    for start in reversed(starts[insensitive - 1 :]):
        end = int(start[end])
    return variance.double() > values[max(end - 1, 0)]


def _append_run(worth: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
    """One run more: for every j, how well the first j values divide now, and where the last run starts, (P + 1,) each.

    The less a division is worth, the further values lie from their means: it is the sum over runs of sum² / count. The
    last run's start grows with j, so that j's is looked for between those of its neighbours, which are found before.
    """
    count = len(sums) - 1
    best, start = torch.zeros_like(sums), torch.zeros_like(sums, dtype=torch.long)
    stride = 1 << max(count.bit_length() - 1, 0)
    while stride:
        ends = torch.arange(stride, count + 1, 2 * stride, device=sums.device)
        behind = ends + stride
        high = torch.where(behind <= count, torch.minimum(start[behind.clamp(max=count)], ends), ends)
        low = start[ends - stride]
        widths = high - low + 1
        owner = torch.arange(len(ends), device=sums.device).repeat_interleave(widths)
        i = low[owner] + torch.arange(len(owner), device=sums.device) - (widths.cumsum(0) - widths)[owner]
        j = ends[owner]
        value = worth[i] + (sums[j] - sums[i]).square() / (j - i).clamp(min=1)
        best[ends] = torch.zeros_like(best[ends]).scatter_reduce(0, owner, value, 'amax', include_self=False)
        i = torch.where(value == best[j], i, count)
        start[ends] = ends.scatter_reduce(0, owner, i, 'amin', include_self=False)
        stride //= 2
    return best, start


def selective_whitening(covariances: Tensor, mask: Tensor) -> Tensor:
    """L_ISW of covariances (N, P) under M (P,); zero where M is empty."""
    chosen = covariances[:, mask]
    return chosen.abs().mean() if chosen.numel() else covariances.sum() * 0.0
