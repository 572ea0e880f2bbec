"""Equations 1 to 7 of the paper in fp64, as loops over images and groups whose gradient is autograd's.

No code, formula or formulation is shared with the package: it takes covariances as products of centred values, Newton's
iteration as Equation 7 writes it, and the gradient of a matrix's inverse square root from RΣR = I.
"""

from typing import NamedTuple

import torch


class Options(NamedTuple):
    """What is chosen of a layer."""

    statistics: tuple
    group_size: int
    eps: float
    inverse_sqrt: str
    iterations: int


class Block(NamedTuple):
    """One image and group: what Equations 5 and 6 mix and apply there."""

    image: int
    rows: slice
    means: list  # of Ω, in its order: (D,) each
    covs: list
    mean: torch.Tensor  # μ̂ (D,)
    cov: torch.Tensor  # Σ̂ (D, D)
    matrix: torch.Tensor  # γ Σ̂^(−1/2)


def moments(columns):
    """Equation 2 or 3 without ε: mean (D,) and covariance (D, D) of columns (D, anything)."""
    mean = columns.mean(1)
    mean = mean + (columns - mean[:, None]).mean(1)  # what the sum has rounded
    centred = columns - mean[:, None]
    return mean, centred @ centred.T / columns.shape[1]


def newton(cov, iterations):
    """Equation 7."""
    p, normed = torch.eye(len(cov), dtype=cov.dtype), cov / cov.trace()
    for _ in range(iterations):
        p = 0.5 * (3 * p - p @ p @ p @ normed)
    return p / cov.trace().sqrt()


class Zca(torch.autograd.Function):
    """Equation 4. From RΣR = I follows S dR + dR S = −R dΣ with S = R⁻¹, solved where S is diagonal."""

    @staticmethod
    def forward(ctx, cov):
        values, vectors = torch.linalg.eigh(cov)
        ctx.save_for_backward(values.sqrt(), vectors)
        return vectors @ torch.diag(values**-0.5) @ vectors.T

    @staticmethod
    def backward(ctx, grad):
        deviations, vectors = ctx.saved_tensors
        turned = vectors.T @ ((grad + grad.T) / 2) @ vectors
        solved = turned / (deviations[:, None] + deviations[None, :])
        return -vectors @ (solved / deviations[:, None] / deviations[None, :]) @ vectors.T


def root_of(cov, options):
    if len(cov) == 1:
        return cov**-0.5
    return Zca.apply(cov) if options.inverse_sqrt == 'eigh' else newton(cov, options.iterations)


def block_of(x, batch, image, rows, weight, ratios, options):
    """Equation 6 for one image and group of x (N, C, L); `batch` is its mean and covariance over the batch."""
    eps = options.eps * torch.eye(options.group_size, dtype=x.dtype)
    mean, cov = moments(x[image, rows])
    batch_mean, batch_cov = batch
    layer_mean, layer_var = moments(x[image].reshape(1, -1))
    means = {'bw': batch_mean, 'iw': mean, 'ln': layer_mean.expand_as(mean)}
    means |= {'bn': means['bw'], 'in': means['iw']}
    covs = {'bw': batch_cov, 'iw': cov, 'ln': layer_var * torch.eye(len(mean), dtype=x.dtype)}
    covs |= {'bn': torch.diag(batch_cov.diagonal()), 'in': torch.diag(cov.diagonal())}
    means, covs = ([values[word] for word in options.statistics] for values in (means, covs))
    mixed_mean = sum(ratio * value for ratio, value in zip(ratios[0], means))
    mixed_cov = sum(ratio * (value + eps) for ratio, value in zip(ratios[1], covs))
    matrix = weight[rows, None] * root_of(mixed_cov, options)
    return Block(image, rows, means, covs, mixed_mean, mixed_cov, matrix)


def switch_whiten(x, weight, bias, mean_logits, cov_logits, options, running=None):
    """SW of x (N, C, L) in fp64, and its blocks; `running`, (C,) and (G, D, D), in place of the batch moments."""
    n, c, _ = x.shape
    ratios, blocks = (mean_logits.softmax(0), cov_logits.softmax(0)), []
    out = [[] for _ in range(n)]
    for begin in range(0, c, options.group_size):
        rows = slice(begin, begin + options.group_size)
        if running is None:
            batch = moments(torch.cat([x[image, rows] for image in range(n)], 1))
        else:
            batch = running[0][rows], running[1][begin // options.group_size]
        for image in range(n):
            block = block_of(x, batch, image, rows, weight, ratios, options)
            out[image].append(block.matrix @ (x[image, rows] - block.mean[:, None]) + bias[rows, None])
            blocks.append(block)
    return torch.stack([torch.cat(channels) for channels in out]), blocks
