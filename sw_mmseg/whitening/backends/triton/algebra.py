"""The algebra between the passes in Triton, for Newton's iteration and for single channels: the functions of `algebra`,
in five kernels.

In torch they are dozens of operations on small matrices, which a GPU and its host take longer to start than to finish.
"""

import functools

import torch
import triton
from torch import Tensor

from ..algebra import Folded, Gradients, Parameters
from ..moments import Moments, pool_moments
from ..settings import Settings
from ..statistics import BATCH, INSTANCE
from .triton_fold import WORDS, fold_kernel, layer_kernel, vector_kernel
from .triton_fold_backward import finish_kernel, fold_backward_kernel, input_kernel
from .triton_kernels import combine_kernel
from .triton_launch import launch
from .triton_newton import square_of

__all__ = ['fold', 'fold_backward', 'input_matrices', 'pool']

_PARTS, _MATRICES = 16, 256  # samples, and matrices of all samples, that a program adds up at once


def pool(sample: Moments) -> Moments:
    n, g, d = sample.mean.shape
    if n == 0:
        return pool_moments(sample)
    mean, cov = sample.mean.new_empty(1, g, d), sample.mean.new_empty(1, g, d, d)
    launch(combine_kernel, g * d, *_dense(*sample), mean, cov, n, 1, n, 1, g, D=d, WIDTH=triton.next_power_of_2(d),
           PARTS=_PARTS, MOMENTS=True, num_warps=1)
    return Moments(mean, cov)


def fold(sample: Moments | None, batch: Moments | None, shift: Tensor | None, parameters: Parameters,
         settings: Settings) -> Folded:
    words = settings.statistics
    m = 1 if INSTANCE.isdisjoint(words) else len(sample.mean)
    _, g, d = (sample or batch).mean.shape
    rows = m if shift is None else len(shift)
    new = (sample or batch).mean.new_empty
    mean, vector, (cov, root, matrix) = new(m, g, d), new(rows, g, d), (new(m, g, d, d) for _ in range(3))
    weight, bias, *logits = parameters
    if m:
        moments = _dense(*(sample or (None, None)), *(batch or (None, None)))
        launch(fold_kernel, m * g, *logits, *moments, _layer_moments(sample, words), weight, bias, shift, mean, cov,
               root, matrix, vector if rows == m else None, settings.eps, g, ITERATIONS=_steps(settings),
               COUNT=len(words), **_positions(words), **square_of(d))
    if rows != m and rows:
        launch(vector_kernel, rows * g, matrix, mean, shift, bias, vector, g, **square_of(d))
    return Folded(mean, root, (cov,) if d > 1 else (), matrix, vector)


def fold_backward(total: Tensor, product: Tensor, sample: Moments | None, batch: Moments | None, shift: Tensor | None,
                  parameters: Parameters, folded: Folded, settings: Settings) -> Gradients:
    words = settings.statistics
    n, g, d = total.shape
    m, weight, bias = len(folded.mean), parameters.weight, parameters.bias
    mixed = Moments(torch.empty_like(folded.mean), torch.empty_like(folded.root))
    parts = [None if parameter is None else torch.empty_like(folded.mean) for parameter in (weight, bias)]
    ratios = total.new_empty(m, g, 2, WORDS.value)
    results = [None if parameter is None else total.new_empty(g * d) for parameter in (weight, bias)]
    of_batch = None if BATCH.isdisjoint(words) else Moments(total.new_empty(1, g, d), total.new_empty(1, g, d, d))
    logits = [total.new_empty(len(words)) for _ in range(2)]
    at = _positions(words)
    if m:
        moments = _dense(total, product, *(sample or (None, None)), *(batch or (None, None)))
        launch(fold_backward_kernel, m * g, *moments, _layer_moments(sample, words), weight, shift, folded.mean,
               *(folded.factors or (None,)), folded.root, folded.matrix, *parts, *mixed, ratios, g,
               n if m == 1 else 1, ITERATIONS=_steps(settings), **at, **square_of(d))
    launch(finish_kernel, g * d + 1, *parameters[2:], *parts, *mixed, ratios, *results, *(of_batch or (None, None)),
           *logits, m, g, COUNT=len(words), BW=at['BW'], BN=at['BN'], D=d, WIDTH=triton.next_power_of_2(d),
           PARTS=_PARTS, MATRICES=_MATRICES, num_warps=2)
    return Gradients(Parameters(*results, *logits), mixed, of_batch)


def input_matrices(mixed: Moments, of_batch: Moments | None, sample: Moments, batch: Moments | None,
                   shift: Tensor | None, parameters: Parameters, settings: Settings, share: float | Tensor,
                   length: int) -> tuple[Tensor, Tensor]:
    """The shift is the sample's mean: `triton_passes.shift`."""
    words = settings.statistics
    n, g, d = sample.mean.shape
    quadratic, vector = torch.empty_like(sample.cov), torch.empty_like(sample.mean)
    if n == 0:
        return quadratic, vector
    at = _positions(words)
    batch_mean = None if batch is None else batch.mean
    share, share_at = (0.0, share) if isinstance(share, Tensor) else (share, None)
    sums = _over_channels(mixed, moments=False) if 'ln' in words else None
    small = _dense(*mixed, *(of_batch or (None, None)), sample.mean, batch_mean)
    launch(input_kernel, n * g, *parameters[2:], *small, _layer_moments(sample, words), sums, share, share_at,
           quadratic, vector, length, g, COUNT=len(words), IW=at['IW'], IN=at['IN'], LN=at['LN'], **square_of(d))
    return quadratic, vector


def _steps(settings: Settings) -> int:
    """Of Newton's iteration, which starts at the root of a 1×1 matrix."""
    return settings.iterations if settings.group_size > 1 else 1


@functools.cache
def _positions(words: tuple[str, ...]) -> dict[str, int]:
    """Where the logit of each word stands, −1 for those that Ω does not name."""
    return {word.upper(): words.index(word) if word in words else -1 for word in ('bw', 'iw', 'bn', 'in', 'ln')}


def _layer_moments(sample: Moments | None, words: tuple[str, ...]) -> Tensor | None:
    """μ_ln and σ_ln of each sample (N, 2)."""
    return _over_channels(sample, moments=True) if 'ln' in words else None


def _over_channels(moments_or_gradients: Moments, moments: bool) -> Tensor:
    vectors, matrices = _dense(*moments_or_gradients)
    n, g, d = vectors.shape
    result = vectors.new_empty(n, 2)
    if n:
        launch(layer_kernel, n, vectors, matrices, result, g * d, D=d, MOMENTS=moments)
    return result


def _dense(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]
