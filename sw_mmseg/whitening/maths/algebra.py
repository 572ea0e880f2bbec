"""Everything between the two passes over the activation, on D×D matrices, forward and backward by hand, in torch.

    pool                    moments of samples  ->  moments of the batch
    mix_to_affine           moments, ratios, γ, β  ->  the A, b with y = A (x − shift) + b (Equations 5 and 6)
    mix_to_affine_backward  Σ dy and Σ dy (x − shift)ᵀ  ->  gradients of the parameters and of all moments
    input_matrices          the latter two  ->  the B, c with dx = Aᵀ dy + B (x − shift) + c

The backward has two steps because processes add up the gradients of their batch moments in between. The CPU and Triton
backends have the same four functions in their own languages.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .inverse_sqrt import inverse_sqrt, inverse_sqrt_backward
from .mixture import mix, mixture_backward, sample_backward
from .moments import Moments, either, moments_backward, pool_moments, with_memory
from .settings import Settings
from .statistics import BATCH, INSTANCE

__all__ = [
    'Affine',
    'Gradients',
    'Parameters',
    'in_memory',
    'input_matrices',
    'mix_to_affine',
    'mix_to_affine_backward',
    'pool',
    'sources',
]


class Parameters(NamedTuple):
    """γ and β (C,), or None, and λ and λ' of Equation 6 (|Ω|,)."""

    weight: Tensor | None
    bias: Tensor | None
    mean_logits: Tensor
    cov_logits: Tensor


def in_memory(parameters: Parameters) -> Parameters:
    """The same, each contiguous and with its values in memory: compiled code goes by addresses."""
    weight, bias, mean_logits, cov_logits = parameters
    return Parameters(
        None if weight is None else _in_memory(weight),
        None if bias is None else _in_memory(bias),
        _in_memory(mean_logits),
        _in_memory(cov_logits),
    )


def _in_memory(tensor: Tensor) -> Tensor:
    tensor = with_memory(tensor)
    return tensor if tensor.is_contiguous() else tensor.contiguous()


class Affine(NamedTuple):
    """The map y = A (x − shift) + b and what it was made of. N is 1 where Ω has batch statistics only."""

    mean: Tensor  # μ̂ (N, G, D), where Ω has statistics of the image as seen from the image's mean
    root: Tensor  # Σ̂^(−1/2) (N, G, D, D)
    factors: tuple[Tensor, ...]  # what the backward of the inverse square root needs
    matrix: Tensor  # A (N, G, D, D)
    vector: Tensor  # b (N, G, D), one a sample where there is a shift; of no use to the backward


class Gradients(NamedTuple):
    """What `mix_to_affine_backward` finds."""

    parameters: Parameters
    mixed: Moments  # of μ̂ and Σ̂, shaped like them
    batch: Moments | None  # of the batch moments, (1, G, D) and (1, G, D, D)


def pool(sample: Moments) -> Moments:
    """Moments of the batch, (1, G, D) and (1, G, D, D), from those of its samples."""
    return pool_moments(sample)


def mix_to_affine(
    sample: Moments | None, batch: Moments | None, shift: Tensor | None, parameters: Parameters, settings: Settings
) -> Affine:
    """Equations 5 and 6, with γ and β; `shift` (N, G, D) is what will be subtracted from x beforehand, or None."""
    named = sources(settings.statistics, sample, batch)
    dtype = either(sample, batch).mean.dtype
    origin = None if named[0] is None else named[0].mean
    if settings.inverse_sqrt == 'eigh' and settings.group_size > 1:
        mean, root, factors = _in_double(named, origin, parameters, settings, dtype)
    else:
        mean, cov = mix(settings.statistics, *_ratios(parameters, dtype), *named, settings.eps, origin)
        root, factors = inverse_sqrt(cov, settings)
    matrix = _scaled(root, parameters.weight)
    vector = -_times(matrix, _offset(mean, named[0], shift))
    if parameters.bias is not None:
        vector = vector + parameters.bias.to(dtype).view(mean.shape[1:])
    return Affine(mean, root, factors, matrix, vector)


def mix_to_affine_backward(
    total: Tensor,
    product: Tensor,
    sample: Moments | None,
    batch: Moments | None,
    shift: Tensor | None,
    parameters: Parameters,
    affine: Affine,
    settings: Settings,
) -> Gradients:
    """From total = Σ dy (N, G, D) and product = Σ dy (x − shift)ᵀ (N, G, D, D); the rest as in the forward."""
    offset = _offset(affine.mean, sources(settings.statistics, sample, batch)[0], shift)
    product = product - total.unsqueeze(-1) * offset.unsqueeze(-2)  # Σ dy (x − μ̂)ᵀ, N G D D
    if affine.root.shape[0] == 1:
        total, product = total.sum(0, keepdim=True), product.sum(0, keepdim=True)
    grad_weight = grad_bias = None
    if parameters.weight is not None:
        grad_weight = (affine.root * product).sum((0, -1)).flatten()
    if parameters.bias is not None:
        grad_bias = total.sum(0).flatten()
    grad_root = _scaled(product, parameters.weight)
    grad_cov = inverse_sqrt_backward(grad_root, affine.root, affine.factors, settings)
    mixed = Moments(-_times(affine.matrix.transpose(-2, -1), total), grad_cov)
    ratios = _ratios(parameters, product.dtype)
    of_ratios, of_batch = mixture_backward(
        settings.statistics, mixed, *ratios, *sources(settings.statistics, sample, batch)
    )
    to_mean_logits, to_cov_logits = (_softmax_backward(ratio, grad) for ratio, grad in zip(ratios, of_ratios))
    return Gradients(Parameters(grad_weight, grad_bias, to_mean_logits, to_cov_logits), mixed, of_batch)


def input_matrices(
    mixed: Moments,
    of_batch: Moments | None,
    sample: Moments,
    batch: Moments | None,
    shift: Tensor | None,
    parameters: Parameters,
    settings: Settings,
    share: float | Tensor,
    length: int,
) -> tuple[Tensor, Tensor]:
    """B (N, G, D, D) and c (N, G, D) from the gradients of μ̂ and Σ̂ and of the batch moments.

    `of_batch` is None where the batch moments are constants; `share` is the weight of a sample in them, and `length`
    the number of its pixels.

    Raises:
        ValueError: Ω has no statistic of the image and `of_batch` is None, so that B and c are zero.
    """
    ratios = _ratios(parameters, mixed.mean.dtype)
    gradient = None
    if not INSTANCE.isdisjoint(settings.statistics):
        gradient = sample_backward(settings.statistics, mixed, *ratios, sample)
    if of_batch is not None and batch is not None:
        deviation = sample.mean - batch.mean
        to_mean = share * (of_batch.mean + _times(of_batch.cov + of_batch.cov.transpose(-2, -1), deviation))
        to_cov = share * of_batch.cov
        gradient = (
            Moments(to_mean, to_cov) if gradient is None else Moments(gradient.mean + to_mean, gradient.cov + to_cov)
        )
    if gradient is None:
        raise ValueError(f'nothing of Ω = {settings.statistics} depends on x here: B and c are zero')
    return moments_backward(gradient.mean, gradient.cov, sample.mean if shift is None else None, length)


def _in_double(
    named: tuple[Moments | None, Moments | None],
    origin: Tensor | None,
    parameters: Parameters,
    settings: Settings,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """μ̂ and Σ̂^(−1/2) in `dtype`, by an eigendecomposition in fp64, and its factors: in fp32 neither eps beside a
    variance above 100 nor an eigenvalue of eps beside one above 10 would be seen."""
    sample, batch = (moments and Moments(moments.mean.double(), moments.cov.double()) for moments in named)
    origin = None if origin is None else origin.double()
    ratios = _ratios(parameters, torch.float64)
    mean, cov = mix(settings.statistics, *ratios, sample, batch, settings.eps, origin)
    root, factors = inverse_sqrt(cov, settings, torch.finfo(dtype).eps)
    return mean.to(dtype), root.to(dtype), factors


def _offset(mean: Tensor, sample: Moments | None, shift: Tensor | None) -> Tensor:
    """μ̂ − shift from `Affine.mean`, where `sample` is None unless Ω has statistics of the image."""
    if sample is None:
        return mean if shift is None else mean - shift
    return mean + (sample.mean if shift is None else sample.mean - shift)


def sources(
    words: tuple[str, ...], sample: Moments | None, batch: Moments | None
) -> tuple[Moments | None, Moments | None]:
    """The moments that Ω names: those that only served to pool the batch are not among them."""
    return None if INSTANCE.isdisjoint(words) else sample, None if BATCH.isdisjoint(words) else batch


def _ratios(parameters: Parameters, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """ω and ω' of Equation 6, (|Ω|,) each."""
    return parameters.mean_logits.to(dtype).softmax(0), parameters.cov_logits.to(dtype).softmax(0)


def _softmax_backward(ratios: Tensor, grad: Tensor) -> Tensor:
    """The gradient of the logits from that of their softmax, (|Ω|,) each."""
    return ratios * (grad - torch.dot(ratios, grad))


def _scaled(matrix: Tensor, weight: Tensor | None) -> Tensor:
    """γ times the rows of (N, G, D, D)."""
    return matrix if weight is None else matrix * weight.to(matrix.dtype).view(matrix.shape[1:3]).unsqueeze(-1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
