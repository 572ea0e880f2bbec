"""Equation 6: the statistics of Ω mixed into one mean and one covariance a sample and group, and the reverse.

Inputs are the moments of each sample, (N, G, D) and (N, G, D, D), and those of the batch, (1, G, D) and (1, G, D, D),
which are the running ones in evaluation. Standardising statistics enter as diagonals, layer statistics as μ 1 and σ I.
Each ratio is a 0-d tensor; `ratios` maps the words of Ω to them. Where Ω has batch statistics only, the results have
N = 1: one whitening matrix serves the whole batch.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .moments import Moments
from .statistics import INSTANCE

__all__ = ['MixtureGradients', 'layer_moments', 'mix_cov', 'mix_mean', 'mixture_backward']

Ratios = Mapping[str, Tensor]


class MixtureGradients(NamedTuple):
    """Gradients of the mixture's inputs; those of the ratios are 0-d tensors by word."""

    sample: Moments | None
    batch: Moments | None
    mean_ratios: dict[str, Tensor]
    cov_ratios: dict[str, Tensor]


def layer_moments(sample: Moments) -> tuple[Tensor, Tensor]:
    """Mean and variance over all channels and pixels of a sample, (N, 1, 1) each, from its channels' moments."""
    mean = sample.mean.mean((1, 2), keepdim=True)
    var = sample.cov.diagonal(dim1=-2, dim2=-1) + (sample.mean - mean).square()
    return mean, var.mean((1, 2), keepdim=True)


def mix_mean(ratios: Ratios, sample: Moments | None, batch: Moments | None) -> Tensor:
    """μ̂ (N or 1, G, D)."""
    terms = []
    for word, ratio in ratios.items():
        if word == 'ln':
            terms.append(ratio * layer_moments(sample)[0])
        else:
            terms.append(ratio * (sample if word in INSTANCE else batch).mean)
    return _total(terms).expand(-1, *_groups(sample, batch))


def mix_cov(ratios: Ratios, sample: Moments | None, batch: Moments | None, eps: float) -> Tensor:
    """Σ̂ (N or 1, G, D, D), with eps on the diagonal once, since the ratios sum to one."""
    full, diagonal = [], []
    for word, ratio in ratios.items():
        if word == 'ln':
            diagonal.append(ratio * layer_moments(sample)[1])
        else:
            cov = (sample if word in INSTANCE else batch).cov
            if word in ('bn', 'in'):
                diagonal.append(ratio * cov.diagonal(dim1=-2, dim2=-1))
            else:
                full.append(ratio * cov)
    if not diagonal:
        identity = torch.eye(full[0].shape[-1], dtype=full[0].dtype, device=full[0].device)
        return _total(full) + eps * identity
    on_diagonal = _total(diagonal) + eps
    if not full:  # no whitening statistic: D is 1 and the diagonal is all there is
        return on_diagonal.expand(-1, *_groups(sample, batch)).unsqueeze(-1)
    mixed = _total(full)
    return mixed + torch.diag_embed(on_diagonal.expand(on_diagonal.shape[0], *mixed.shape[1:3]))


def mixture_backward(
    grad_mean: Tensor,
    grad_cov: Tensor,
    mean_ratios: Ratios,
    cov_ratios: Ratios,
    sample: Moments | None,
    batch: Moments | None,
) -> MixtureGradients:
    """Gradients of all inputs of `mix_mean` and `mix_cov` from dL/dμ̂ (N or 1, G, D) and dL/dΣ̂ (N or 1, G, D, D)."""
    diagonal = grad_cov.diagonal(dim1=-2, dim2=-1)
    of_mean = {word: _mean_ratio_gradient(word, grad_mean, sample, batch) for word in mean_ratios}
    of_cov = {word: _cov_ratio_gradient(word, grad_cov, diagonal, sample, batch) for word in cov_ratios}
    to_sample = to_batch = None
    if sample is not None:
        to_sample = Moments(*_pull_back('iw', 'in', grad_mean, grad_cov, diagonal, mean_ratios, cov_ratios))
        if 'ln' in mean_ratios:
            to_sample = _add_layer(to_sample, grad_mean, diagonal, mean_ratios['ln'], cov_ratios['ln'], sample)
    if batch is not None:
        summed = [grad.sum(0, keepdim=True) for grad in (grad_mean, grad_cov, diagonal)]
        to_batch = Moments(*_pull_back('bw', 'bn', *summed, mean_ratios, cov_ratios))
    return MixtureGradients(to_sample, to_batch, of_mean, of_cov)


def _pull_back(full: str, standard: str, grad_mean: Tensor, grad_cov: Tensor, diagonal: Tensor, mean_ratios: Ratios,
               cov_ratios: Ratios) -> tuple[Tensor, Tensor]:
    """Gradients of one set of moments through its whitening word and its standardising word."""
    to_mean, to_cov = torch.zeros_like(grad_mean), torch.zeros_like(grad_cov)
    for word in (full, standard):
        if word in mean_ratios:
            to_mean = to_mean + mean_ratios[word] * grad_mean
            to_cov = to_cov + cov_ratios[word] * (grad_cov if word == full else torch.diag_embed(diagonal))
    return to_mean, to_cov


def _add_layer(to_sample: Moments, grad_mean: Tensor, diagonal: Tensor, mean_ratio: Tensor, cov_ratio: Tensor,
               sample: Moments) -> Moments:
    """Adds the gradients through μ_ln = mean(μ) and σ_ln = mean(diag Σ + (μ − μ_ln)²)."""
    count = sample.mean.shape[1] * sample.mean.shape[2]
    layer_mean, _ = layer_moments(sample)
    through_mean = mean_ratio * grad_mean.sum((1, 2), keepdim=True) / count
    through_var = cov_ratio * diagonal.sum((1, 2), keepdim=True) / count
    to_mean = to_sample.mean + through_mean + 2 * through_var * (sample.mean - layer_mean)
    return Moments(to_mean, to_sample.cov + torch.diag_embed(through_var.expand_as(diagonal)))


def _mean_ratio_gradient(word: str, grad: Tensor, sample: Moments | None, batch: Moments | None) -> Tensor:
    if word == 'ln':
        return (grad * layer_moments(sample)[0]).sum()
    return (grad * (sample if word in INSTANCE else batch).mean).sum()


def _cov_ratio_gradient(word: str, grad: Tensor, diagonal: Tensor, sample: Moments | None,
                        batch: Moments | None) -> Tensor:
    if word == 'ln':
        return (diagonal * layer_moments(sample)[1]).sum()
    cov = (sample if word in INSTANCE else batch).cov
    if word in ('bn', 'in'):
        return (diagonal * cov.diagonal(dim1=-2, dim2=-1)).sum()
    return (grad * cov).sum()


def _groups(sample: Moments | None, batch: Moments | None) -> tuple[int, int]:
    return tuple((sample if sample is not None else batch).mean.shape[1:])


def _total(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
