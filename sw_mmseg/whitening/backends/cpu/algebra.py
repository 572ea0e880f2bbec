"""The algebra between the passes in C (`algebra.c`), in fp32: the functions of `maths.algebra`."""

from ctypes import byref, c_int64

import torch
from torch import Tensor

from ...maths import STATISTICS, Affine, Gradients, Moments, Parameters, Settings, sources
from ...maths.moments import either, with_memory
from .library import Problem, address, library, room

__all__ = ['input_matrices', 'mix_to_affine', 'mix_to_affine_backward', 'pool']


def mix_to_affine(
    sample: Moments | None, batch: Moments | None, shift: Tensor | None, parameters: Parameters, settings: Settings
) -> Affine:
    problem, keep = _problem(sample, batch, shift, parameters, settings)
    m, g, d = problem.m, problem.g, problem.d
    mean, vector = room(m, g, d), room(problem.rows, g, d)
    cov, root, matrix = (room(m, g, d, d) for _ in range(3))
    _check(library().sw_mix_to_affine(byref(problem), *map(address, (mean, cov, root, matrix, vector))))
    return Affine(mean, root, (cov,) if d > 1 else (), matrix, vector)


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
    problem, keep = _problem(sample, batch, shift, parameters, settings, len(total))
    g, d = problem.g, problem.d
    weight, bias = (
        None if parameter is None else room(g * d).zero_() for parameter in (parameters.weight, parameters.bias)
    )
    mean_logits, cov_logits = room(problem.words), room(problem.words)
    mixed = Moments(torch.empty_like(affine.mean), torch.empty_like(affine.root))
    named = sources(settings.statistics, sample, batch)[1]
    of_batch = None if named is None else Moments(room(1, g, d).zero_(), room(1, g, d, d).zero_())
    cov = affine.factors[0] if affine.factors else None
    _check(
        library().sw_mix_to_affine_backward(
            byref(problem),
            *map(
                address,
                (
                    affine.mean,
                    cov,
                    affine.root,
                    affine.matrix,
                    total,
                    product,
                    weight,
                    bias,
                    mean_logits,
                    cov_logits,
                    *mixed,
                    *(of_batch or (None, None)),
                ),
            ),
        )
    )
    return Gradients(Parameters(weight, bias, mean_logits, cov_logits), mixed, of_batch)


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
    """The shift is the sample's mean: `backend.shift`."""
    problem, keep = _problem(sample, batch, shift, parameters, settings)
    quadratic, vector = torch.empty_like(sample.cov), torch.empty_like(sample.mean)
    gradients = map(address, (*mixed, *(of_batch or (None, None))))
    _check(
        library().sw_input_matrices(
            byref(problem), *gradients, float(share), length, address(quadratic), address(vector)
        )
    )
    return quadratic, vector


def pool(sample: Moments) -> Moments:
    n, g, d = sample.mean.shape
    pooled = Moments(room(1, g, d), room(1, g, d, d))
    library().sw_pool_moments(*map(address, sample), n, g, d, *map(address, pooled))
    return pooled


def _problem(
    sample: Moments | None,
    batch: Moments | None,
    shift: Tensor | None,
    parameters: Parameters,
    settings: Settings,
    samples: int | None = None,
) -> tuple[Problem, list[Tensor | None]]:
    """What the C side needs to know, and the tensors that its pointers point into, to be held until it returns."""
    words = settings.statistics
    _, g, d = either(sample, batch).mean.shape
    n = samples if samples is not None else len(sample.mean) if sample is not None else 1
    of_sample, of_batch = sources(words, sample, batch)
    if settings.iterations < 1:
        raise ValueError(f'iterations must be at least 1, got {settings.iterations}')
    tensors = [
        _as_floats(tensor)
        for tensor in (
            parameters.mean_logits,
            parameters.cov_logits,
            parameters.weight,
            parameters.bias,
            *(sample or (None, None)),
            *(of_batch or (None, None)),
            shift,
        )
    ]
    at = [words.index(word) if word in words else -1 for word in STATISTICS]
    m = 1 if of_sample is None else n
    return Problem(
        n,
        m,
        g,
        d,
        settings.iterations,
        torch.get_num_threads(),
        m if shift is None else len(shift),
        (c_int64 * len(at))(*at),
        len(words),
        settings.eps,
        *map(address, tensors),
    ), tensors


def _as_floats(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else with_memory(tensor.detach().to(torch.float32)).contiguous()


def _check(failed: int) -> None:
    if failed:
        raise MemoryError('no memory for the matrices of a whitening layer')
