"""Equation 6: the statistics of Ω mixed into one mean and one covariance a sample and group, and the reverse.

Inputs are the moments of each sample, (N, G, D) and (N, G, D, D), and those of the batch, (1, G, D) and (1, G, D, D),
which are the running ones in evaluation; either is None where Ω does not name it. Where Ω has batch statistics only,
results have N = 1: one whitening matrix serves the whole batch.

Words that share a covariance differ by an elementwise factor: ω'_bw Σ + ω'_bn diag(Σ) is (ω'_bw + ω'_bn I) ∘ Σ. So the
mixture is at most one multiplication each for batch and sample, plus σ_ln I.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .moments import Moments, either

__all__ = ['mix', 'mixture_backward', 'sample_backward']

# source of the moments -> (the word that takes the whole covariance, the word that takes its diagonal)
_WORDS = {'batch': ('bw', 'bn'), 'sample': ('iw', 'in')}


def mix(
    words: Sequence[str],
    mean_ratios: Tensor,
    cov_ratios: Tensor,
    sample: Moments | None,
    batch: Moments | None,
    eps: float,
    origin: Tensor | None = None,
) -> Moments:
    """μ̂ (N or 1, G, D) and Σ̂ (N or 1, G, D, D), eps on the diagonal once since the ratios sum to one.

    With an origin (N or 1, G, D), μ̂ is as seen from there: of means far from zero that are nearly equal, the ratios
    then mix the differences, which are exact, and not the means, whose rounding may be larger than the differences.
    """
    shape = either(sample, batch).cov.shape  # N or 1, G, D, D
    identity = torch.eye(shape[-1], dtype=mean_ratios.dtype, device=mean_ratios.device)
    of_mean, of_cov = _by_word(words, mean_ratios), _by_word(words, cov_ratios)
    means, cov = [], eps * identity  # means as (ratio, moment), of which the first begins the sum
    for source, moments in _present(words, sample, batch):
        means.append((_mean_factor(of_mean, source), _seen(moments.mean, origin)))
        cov = torch.addcmul(cov, _cov_factor(of_cov, source, identity), moments.cov)
    if sample is not None and 'ln' in of_mean:
        layer_mean, layer_var = _layer_moments(sample)
        means.append((of_mean['ln'], _seen(layer_mean, origin)))
        cov = torch.addcmul(cov, of_cov['ln'] * layer_var.unsqueeze(-1), identity)
    # a single ratio is one; a copy, since an operator may not return what it was given
    mean = means[0][1].clone() if len(means) == 1 else means[0][0] * means[0][1]
    for ratio, moment in means[1:]:
        mean = torch.addcmul(mean, ratio, moment)
    return Moments(mean.expand(-1, *shape[1:3]), cov.expand(-1, *shape[1:]))


def mixture_backward(
    words: Sequence[str],
    grad: Moments,
    mean_ratios: Tensor,
    cov_ratios: Tensor,
    sample: Moments | None,
    batch: Moments | None,
) -> tuple[tuple[Tensor, Tensor], Moments | None]:
    """From dL/dμ̂ (N or 1, G, D) and dL/dΣ̂ (N or 1, G, D, D) the gradients of both ratios, (|Ω|,) each, and of the
    batch moments, (1, G, D) and (1, G, D, D).

    The gradients of the mean ratios come from means relative to a common origin. That changes all of them by the same
    number, which the softmax behind them removes; with the means themselves, far from zero, rounding would swallow
    their differences.
    """
    of_mean, of_cov = _by_word(words, mean_ratios), _by_word(words, cov_ratios)
    to_mean_ratio: dict[str, Tensor] = {}
    to_cov_ratio: dict[str, Tensor] = {}
    to_batch = None
    origin = either(batch, sample).mean  # (1, G, D), or without a batch each sample's own
    for source, moments in _present(words, sample, batch):
        of_source = grad if source == 'sample' else _sum_over_samples(grad)
        full, diagonal = _WORDS[source]
        to_mean_ratio[full] = to_mean_ratio[diagonal] = _inner(of_source.mean, moments.mean - origin)
        product = of_source.cov * moments.cov
        if full in of_cov:
            to_cov_ratio[full] = product.sum()
        if diagonal in of_cov:
            to_cov_ratio[diagonal] = product.diagonal(dim1=-2, dim2=-1).sum()
        if source == 'batch':
            to_batch = _through(of_source, of_mean, of_cov, source)
    if sample is not None and 'ln' in of_mean:
        layer_mean, layer_var = _layer_moments(sample)
        _, trace = _layer_gradients(grad)
        to_mean_ratio['ln'], to_cov_ratio['ln'] = _inner(grad.mean, layer_mean - origin), _inner(trace, layer_var)
    to_ratios = tuple(torch.stack([gradient[word] for word in words]) for gradient in (to_mean_ratio, to_cov_ratio))
    return (to_ratios[0], to_ratios[1]), to_batch


def sample_backward(
    words: Sequence[str], grad: Moments, mean_ratios: Tensor, cov_ratios: Tensor, sample: Moments
) -> Moments:
    """The gradients of the sample moments through 'iw', 'in' and 'ln', at least one of which Ω names."""
    of_mean, of_cov = _by_word(words, mean_ratios), _by_word(words, cov_ratios)
    if 'ln' not in of_mean:
        return _through(grad, of_mean, of_cov, 'sample')
    total, trace = _layer_gradients(grad)
    count = sample.mean.shape[1] * sample.mean.shape[2]
    through_var = trace * of_cov['ln'] / count
    to_mean = total * of_mean['ln'] / count + 2 * through_var * (sample.mean - _layer_moments(sample)[0])
    to_cov = torch.diag_embed(through_var.expand_as(sample.mean))
    if not _names(words, 'sample'):
        return Moments(to_mean, to_cov)
    direct = _through(grad, of_mean, of_cov, 'sample')
    return Moments(direct.mean + to_mean, direct.cov + to_cov)


def _by_word(words: Sequence[str], ratios: Tensor) -> dict[str, Tensor]:
    return dict(zip(words, ratios.unbind()))


def _present(words: Sequence[str], sample: Moments | None, batch: Moments | None) -> list[tuple[str, Moments]]:
    """The sources whose moments are there and which Ω names, the batch first."""
    return [
        (source, moments)
        for source, moments in (('batch', batch), ('sample', sample))
        if moments is not None and _names(words, source)
    ]


def _through(grad: Moments, of_mean: dict[str, Tensor], of_cov: dict[str, Tensor], source: str) -> Moments:
    """Gradients of a source's moments from those of the mixed ones."""
    identity = torch.eye(grad.cov.shape[-1], dtype=grad.cov.dtype, device=grad.cov.device)
    return Moments(_mean_factor(of_mean, source) * grad.mean, _cov_factor(of_cov, source, identity) * grad.cov)


def _names(words: Sequence[str], source: str) -> bool:
    return any(word in words for word in _WORDS[source])


def _mean_factor(ratios: dict[str, Tensor], source: str) -> Tensor:
    """What multiplies the mean of a source: the ratios of its words together, since both share it."""
    present = [ratios[word] for word in _WORDS[source] if word in ratios]
    return present[0] if len(present) == 1 else present[0] + present[1]


def _cov_factor(ratios: dict[str, Tensor], source: str, identity: Tensor) -> Tensor:
    """What multiplies the covariance of a source elementwise: a 0-d tensor, or (D, D)."""
    full, diagonal = (ratios.get(word) for word in _WORDS[source])
    if diagonal is None:
        return ratios[_WORDS[source][0]]
    if full is not None:
        return torch.addcmul(full, diagonal, identity)
    return diagonal if identity.shape[0] == 1 else diagonal * identity


def _seen(mean: Tensor, origin: Tensor | None) -> Tensor:
    return mean if origin is None else mean - origin


def _layer_moments(sample: Moments) -> tuple[Tensor, Tensor]:
    """Mean and variance over all channels and pixels of a sample, (N, 1, 1) each: μ_ln = mean(μ), and
    σ_ln = mean(diag Σ + (μ − μ_ln)²)."""
    first = sample.mean[:, :1, :1]  # so that equal means have exactly their mean
    mean = first + (sample.mean - first).mean((1, 2), keepdim=True)
    var = sample.cov.diagonal(dim1=-2, dim2=-1) + (sample.mean - mean).square()
    return mean, var.mean((1, 2), keepdim=True)


def _layer_gradients(grad: Moments) -> tuple[Tensor, Tensor]:
    """Gradients of μ_ln times its ratio, and of σ_ln times its, (N, 1, 1) each."""
    total = grad.mean.sum((1, 2), keepdim=True)
    return total, grad.cov.diagonal(dim1=-2, dim2=-1).sum((1, 2)).view(total.shape)


def _sum_over_samples(grad: Moments) -> Moments:
    if grad.mean.shape[0] == 1:
        return grad
    return Moments(grad.mean.sum(0, keepdim=True), grad.cov.sum(0, keepdim=True))


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return torch.dot(a.reshape(-1), b.reshape(-1))
