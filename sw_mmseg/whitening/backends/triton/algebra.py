"""The algebra between the passes in Triton, for Newton's iteration and for single channels: the functions of `algebra`,
in five kernels.

In torch they are dozens of operations on small matrices, which a GPU and its host take longer to start than to finish.
"""

import functools

import torch
import triton
from torch import Tensor

from ...maths import (
    BATCH,
    INSTANCE,
    STATISTICS,
    Affine,
    Gradients,
    Moments,
    Parameters,
    Settings,
    in_memory,
    pool_moments,
)
from ...maths.moments import either
from .launch import launch
from .mix_to_affine import WORDS, affine_kernel, layer_kernel, vector_kernel
from .mix_to_affine_backward import affine_backward_kernel, finish_kernel, input_kernel
from .newton import square_of
from .passes import combine_kernel

__all__ = ['input_matrices', 'logit_positions', 'mix_to_affine', 'mix_to_affine_backward', 'newton_steps', 'pool']

_PARTS, _MATRICES = 16, 256  # samples, and matrices of all samples, that a program adds up at once


def pool(sample: Moments) -> Moments:
    n, g, d = sample.mean.shape
    if n == 0:
        return pool_moments(sample)
    mean, cov = sample.mean.new_empty(1, g, d), sample.mean.new_empty(1, g, d, d)
    launch(combine_kernel, g * d, *_dense(*sample), mean, cov, n, 1, n, 1, g, D=d, WIDTH=triton.next_power_of_2(d),
           PARTS=_PARTS, MOMENTS=True, num_warps=1)
    return Moments(mean, cov)


def mix_to_affine(sample: Moments | None, batch: Moments | None, shift: Tensor | None, parameters: Parameters,
                  settings: Settings) -> Affine:
    words, parameters = settings.statistics, in_memory(parameters)
    present = either(sample, batch)
    m = 1 if INSTANCE.isdisjoint(words) else len(present.mean)
    _, g, d = present.mean.shape
    rows = m if shift is None else len(shift)
    new = present.mean.new_empty
    mean, vector, (cov, root, matrix) = new(m, g, d), new(rows, g, d), (new(m, g, d, d) for _ in range(3))
    weight, bias, *logits = parameters
    if m:
        moments = _dense(*(sample or (None, None)), *(batch or (None, None)))
        launch(affine_kernel, m * g, *logits, *moments, _layer_moments(sample, words), weight, bias, shift, mean, cov,
               root, matrix, vector if rows == m else None, settings.eps, g, ITERATIONS=newton_steps(settings),
               COUNT=len(words), **logit_positions(words), **square_of(d))
    if rows != m and rows:
        launch(vector_kernel, rows * g, matrix, mean, shift, bias, vector, g, **square_of(d))
    return Affine(mean, root, (cov,) if d > 1 else (), matrix, vector)


def mix_to_affine_backward(total: Tensor, product: Tensor, sample: Moments | None, batch: Moments | None,
                           shift: Tensor | None, parameters: Parameters, affine: Affine,
                           settings: Settings) -> Gradients:
    words, parameters = settings.statistics, in_memory(parameters)
    n, g, d = total.shape
    m, weight, bias = len(affine.mean), parameters.weight, parameters.bias
    shift = shift if shift is None else shift.expand(n, g, d)  # one of given moments serves all samples
    mixed = Moments(torch.empty_like(affine.mean), torch.empty_like(affine.root))
    parts = [None if parameter is None else torch.empty_like(affine.mean) for parameter in (weight, bias)]
    ratios = total.new_empty(m, g, 2, WORDS.value)
    to_weight, to_bias = (None if parameter is None else total.new_empty(g * d) for parameter in (weight, bias))
    of_batch = None if BATCH.isdisjoint(words) else Moments(total.new_empty(1, g, d), total.new_empty(1, g, d, d))
    to_mean_logits, to_cov_logits = total.new_empty(len(words)), total.new_empty(len(words))
    at = logit_positions(words)
    if m:
        moments = _dense(total, product, *(sample or (None, None)), *(batch or (None, None)))
        shift = shift if shift is None else shift.contiguous()
        launch(affine_backward_kernel, m * g, *moments, _layer_moments(sample, words), weight, shift, affine.mean,
               *(affine.factors or (None,)), affine.root, affine.matrix, *parts, *mixed, ratios, g,
               n if m == 1 else 1, ITERATIONS=newton_steps(settings), **at, **square_of(d))
    launch(finish_kernel, g * d + 1, *parameters[2:], *parts, *mixed, ratios, to_weight, to_bias,
           *(of_batch or (None, None)), to_mean_logits, to_cov_logits, m, g, COUNT=len(words), BW=at['BW'],
           BN=at['BN'], D=d, WIDTH=triton.next_power_of_2(d), PARTS=_PARTS, MATRICES=_MATRICES, num_warps=2)
    return Gradients(Parameters(to_weight, to_bias, to_mean_logits, to_cov_logits), mixed, of_batch)


def input_matrices(mixed: Moments, of_batch: Moments | None, sample: Moments, batch: Moments | None,
                   shift: Tensor | None, parameters: Parameters, settings: Settings, share: float | Tensor,
                   length: int) -> tuple[Tensor, Tensor]:
    """The shift is the sample's mean: `backend.shift`."""
    words, parameters = settings.statistics, in_memory(parameters)
    n, g, d = sample.mean.shape
    quadratic, vector = torch.empty_like(sample.cov), torch.empty_like(sample.mean)
    if n == 0:
        return quadratic, vector
    at = logit_positions(words)
    batch_mean = None if batch is None else batch.mean
    share_value, share_at = (0.0, share) if isinstance(share, Tensor) else (share, None)
    sums = _over_channels(mixed, moments=False) if 'ln' in words else None
    small = _dense(*mixed, *(of_batch or (None, None)), sample.mean, batch_mean)
    launch(input_kernel, n * g, *parameters[2:], *small, _layer_moments(sample, words), sums, share_value, share_at,
           quadratic, vector, length, g, COUNT=len(words), IW=at['IW'], IN=at['IN'], LN=at['LN'], **square_of(d))
    return quadratic, vector


def newton_steps(settings: Settings) -> int:
    """Of Newton's iteration, which starts at the root of a 1×1 matrix."""
    return settings.iterations if settings.group_size > 1 else 1


@functools.cache
def logit_positions(words: tuple[str, ...]) -> dict[str, int]:
    """Where the logit of each word stands, −1 for those that Ω does not name."""
    return {word.upper(): words.index(word) if word in words else -1 for word in STATISTICS}


def _layer_moments(sample: Moments | None, words: tuple[str, ...]) -> Tensor | None:
    """μ_ln and σ_ln of each sample (N, 2)."""
    return _over_channels(sample, moments=True) if sample is not None and 'ln' in words else None


def _over_channels(pair: Moments, moments: bool) -> Tensor:
    """Of moments, or of their gradients, what `layer_kernel` says."""
    vectors, matrices = pair.mean.contiguous(), pair.cov.contiguous()
    n, g, d = vectors.shape
    result = vectors.new_empty(n, 2)
    if n:
        launch(layer_kernel, n, vectors, matrices, result, g * d, D=d, MOMENTS=moments)
    return result


def _dense(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]
