"""The algebra between the passes in C (`cpu_algebra.c`), in fp32: the functions of `algebra`."""

import ctypes
from ctypes import byref, c_double, c_int64, c_void_p

import torch
from torch import Tensor

from ..algebra import Folded, Gradients, Parameters, sources
from ..moments import Moments
from ..settings import Settings
from ..statistics import STATISTICS
from .native import library

__all__ = ['fold', 'fold_backward', 'input_matrices', 'pool']

_POINTERS = ('mean_logits', 'cov_logits', 'weight', 'bias', 'sample_mean', 'sample_cov', 'batch_mean', 'batch_cov',
             'shift')


class _Problem(ctypes.Structure):
    _fields_ = [*((name, c_int64) for name in ('n', 'm', 'g', 'd', 'iterations', 'threads', 'rows')),
                ('at', c_int64 * len(STATISTICS)), ('words', c_int64), ('eps', c_double),
                *((name, c_void_p) for name in _POINTERS)]


def fold(sample: Moments | None, batch: Moments | None, shift: Tensor | None, parameters: Parameters,
         settings: Settings) -> Folded:
    problem, keep = _problem(sample, batch, shift, parameters, settings)
    m, g, d = problem.m, problem.g, problem.d
    mean, vector = torch.empty(m, g, d), torch.empty(problem.rows, g, d)
    cov, root, matrix = (torch.empty(m, g, d, d) for _ in range(3))
    _call('fold', problem, mean, cov, root, matrix, vector)
    return Folded(mean, root, (cov,) if d > 1 else (), matrix, vector)


def fold_backward(total: Tensor, product: Tensor, sample: Moments | None, batch: Moments | None, shift: Tensor | None,
                  parameters: Parameters, folded: Folded, settings: Settings) -> Gradients:
    problem, keep = _problem(sample, batch, shift, parameters, settings, len(total))
    g, d = problem.g, problem.d
    named = sources(settings.statistics, sample, batch)[1] is not None
    weight, bias = (None if parameter is None else torch.zeros(g * d) for parameter in parameters[:2])
    logits = [torch.empty(problem.words) for _ in range(2)]
    mixed = Moments(torch.empty_like(folded.mean), torch.empty_like(folded.root))
    of_batch = Moments(torch.zeros(1, g, d), torch.zeros(1, g, d, d)) if named else None
    cov = folded.factors[0] if folded.factors else None
    _call('fold_backward', problem, folded.mean, cov, folded.root, folded.matrix, total, product, weight,
          bias, *logits, *mixed, *(of_batch or (None, None)))
    return Gradients(Parameters(weight, bias, *logits), mixed, of_batch)


def input_matrices(mixed: Moments, of_batch: Moments | None, sample: Moments, batch: Moments | None,
                   shift: Tensor | None, parameters: Parameters, settings: Settings, share: float | Tensor,
                   length: int) -> tuple[Tensor, Tensor]:
    """The shift is the sample's mean: `cpu_passes.shift`."""
    problem, keep = _problem(sample, batch, shift, parameters, settings)
    quadratic, vector = torch.empty_like(sample.cov), torch.empty_like(sample.mean)
    _call('input_matrices', problem, *mixed, *(of_batch or (None, None)), c_double(float(share)), c_int64(length),
          quadratic, vector)
    return quadratic, vector


def pool(sample: Moments) -> Moments:
    n, g, d = sample.mean.shape
    pooled = Moments(torch.empty(1, g, d), torch.empty(1, g, d, d))
    library().pool_moments(*map(_pointer, sample), *map(c_int64, (n, g, d)), *map(_pointer, pooled))
    return pooled


def _problem(sample: Moments | None, batch: Moments | None, shift: Tensor | None, parameters: Parameters,
             settings: Settings, samples: int | None = None) -> tuple[_Problem, list[Tensor | None]]:
    """What the C side needs to know, and the tensors that its pointers point into."""
    words = settings.statistics
    _, g, d = (sample or batch).mean.shape
    n = samples if samples is not None else len(sample.mean) if sample is not None else 1
    of_sample, of_batch = sources(words, sample, batch)
    if settings.iterations < 1:
        raise ValueError(f'iterations must be at least 1, got {settings.iterations}')
    tensors = [_plain(tensor) for tensor in (
        parameters.mean_logits, parameters.cov_logits, parameters.weight, parameters.bias,
        *(sample or (None, None)), *(of_batch or (None, None)), shift)]
    at = [words.index(word) if word in words else -1 for word in STATISTICS]
    m = 1 if of_sample is None else n
    return _Problem(n, m, g, d, settings.iterations, torch.get_num_threads(), m if shift is None else len(shift),
                    (c_int64 * len(at))(*at), len(words), settings.eps, *map(_address, tensors)), tensors


def _call(name: str, problem: _Problem, *arguments: Tensor | ctypes._SimpleCData | None) -> None:
    passed = [_pointer(argument) if argument is None or isinstance(argument, Tensor) else argument
              for argument in arguments]
    if getattr(library(), name)(byref(problem), *passed):
        raise MemoryError('no memory for the matrices of a whitening layer')


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _pointer(tensor: Tensor | None) -> c_void_p:
    return c_void_p(_address(tensor))
