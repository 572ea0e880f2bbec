"""The passes over the activation as Triton kernels, for fp32, bf16 and fp16 on a CUDA device (Equations 2, 3 and 5).

Each reads its inputs once, in whatever memory format they have, and computes in fp32 (`tiles` says how). Few
samples and groups with many pixels would leave most of a GPU idle, so the pixels of each are dealt out in chunks: a
program writes its sums, and a second, small kernel adds up the chunks, in a fixed order, so that equal inputs give
equal results.

Moments are gathered about the mean of a chunk's first block. That mean cannot be far off: with n blocks in the chunk
the squared distance of the two means is at most n − 1 times the variance, so that a mean many standard deviations from
zero costs no digits. Chunks are joined by the law of total covariance.
"""

import functools
import logging

import torch
import triton
from torch import Tensor

from ...maths import Moments, Settings, memory_format
from .. import torch_backend
from ..base import Algebra, Counters, has_plain_memory
from . import algebra as triton_algebra
from .launch import launch
from .layer import recipe_of
from .newton import newton, newton_backward
from .passes import combine_kernel, gradient_kernel, moments_kernel, track_kernel, transform_kernel
from .tiles import Plan, plan_for

__all__ = ['algebra', 'apply', 'apply_gradient', 'gradient_sums', 'newton', 'newton_backward', 'recipe_of',
           'sample_moments', 'shift', 'supported', 'track']

_LOGGER = logging.getLogger(__name__)
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_PARTS = 16  # chunks that the second kernel adds up at once
_TRACKED = 1024  # values that a program of the running statistics moves


def supported(x: Tensor, group_size: int) -> bool:
    if x.dtype not in _DTYPES or not has_plain_memory(x, group_size):
        return False
    interpreted = not isinstance(moments_kernel, triton.JITFunction)
    return x.device.type == 'cpu' if interpreted else x.is_cuda and _runs_on(x.device)


@functools.lru_cache(maxsize=64)
def _runs_on(device: torch.device) -> bool:
    """Whether the device has TF32, and a kernel could be built and started: that takes a C compiler, among others."""
    if torch.version.hip is not None or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    try:
        newton(torch.ones(1, 2, 2, dtype=torch.float32, device=device), 1)
    except Exception as error:  # of Triton, its compilers or the driver
        _LOGGER.warning('whitening runs on torch alone, slower: Triton failed on %s: %s', device, error)
        return False
    return True


def algebra(settings: Settings) -> Algebra:
    """In few kernels, except where the inverse square root is an eigendecomposition."""
    if settings.inverse_sqrt == 'newton' or settings.group_size == 1:
        return triton_algebra
    return torch_backend.algebra(settings)


def sample_moments(x: Tensor, group_size: int) -> Moments:
    plan = plan_for(x, group_size)
    mean, cov = _sums_for(plan, x)
    if x.numel():
        launch(moments_kernel, plan.programs, x, mean, cov, *plan.sizes, WHOLE=x.element_size() == 2, **plan.constants)
    return Moments(*_combine(mean, cov, plan, moments=True))


def shift(sample: Moments) -> Tensor:
    """Always the mean: subtracting it costs nothing beside the memory traffic."""
    return sample.mean


def apply(x: Tensor, shift: Tensor | None, matrix: Tensor, vector: Tensor) -> Tensor:
    return _transform(None, None, x, shift, matrix, vector)


def gradient_sums(dy: Tensor, x: Tensor, shift: Tensor | None, group_size: int) -> tuple[Tensor, Tensor]:
    plan = plan_for(x, group_size)
    _check_alike(dy, x)
    total, product = _sums_for(plan, x)
    if x.numel():
        launch(gradient_kernel, plan.programs, dy, x, *_floats(shift), total, product, *plan.sizes,
               WHOLE=x.element_size() == 2, **plan.constants)
    return _combine(total, product, plan, moments=False)


def apply_gradient(dy: Tensor, x: Tensor, shift: Tensor | None, matrix: Tensor, quadratic: Tensor | None,
                   vector: Tensor | None) -> Tensor:
    _check_alike(dy, x)
    return _transform(dy, matrix, None if quadratic is None else x, shift, quadratic, vector)


def track(running: Moments, counters: Counters, new: Moments, factor: float | Tensor, scale: float | Tensor,
          seen: int | Tensor) -> None:
    """In one kernel what torch does in eight, where the numbers are known to the host."""
    known = not any(isinstance(number, Tensor) for number in (factor, scale)) and isinstance(seen, int) and seen == 1
    if not known or any(old.dtype not in _DTYPES or not old.is_contiguous() for old in running):
        torch_backend.track(running, counters, new, factor, scale, seen)
        return
    launch(track_kernel, triton.cdiv(new.cov.numel(), _TRACKED), *running, *counters, new.mean.contiguous(),
           new.cov.contiguous(), float(factor), float(scale), new.mean.numel(), new.cov.numel(), D=new.cov.shape[-1],
           BLOCK=_TRACKED)


def _transform(dy: Tensor | None, first: Tensor | None, x: Tensor | None, shift: Tensor | None, second: Tensor | None,
               vector: Tensor | None) -> Tensor:
    """firstᵀ dy + second (x − shift) + vector, of the terms that are there."""
    model = next(tensor for tensor in (x, dy) if tensor is not None)
    plan = plan_for(model, next(matrix for matrix in (first, second) if matrix is not None).shape[-1])
    y = torch.empty_like(model, memory_format=memory_format(model))
    if model.numel():
        small = [item for tensor in (first, second, shift, vector) for item in _floats(tensor)]
        launch(transform_kernel, plan.programs, y, dy, x, *small, *plan.sizes, WHOLE=model.element_size() == 2,
               **plan.constants)
    return y


def _sums_for(plan: Plan, x: Tensor) -> tuple[Tensor, Tensor]:
    """Room for a vector (N, G, chunks, D) and a matrix (N, G, chunks, D, D); a single chunk has no dimension."""
    shape = (plan.n, plan.c // plan.d, *([plan.chunks] if plan.chunks != 1 else []), plan.d)
    return (torch.empty(shape, dtype=torch.float32, device=x.device),
            torch.empty((*shape, plan.d), dtype=torch.float32, device=x.device))


def _combine(vectors: Tensor, matrices: Tensor, plan: Plan, moments: bool) -> tuple[Tensor, Tensor]:
    """The chunks' sums, or their moments, as those of all pixels: (N, G, D) and (N, G, D, D)."""
    if plan.chunks == 1:
        return vectors, matrices
    if plan.chunks == 0 or plan.n == 0:
        return vectors.new_zeros(vectors[:, :, 0:0].sum(2).shape), matrices[:, :, 0:0].sum(2)
    vector, matrix = torch.empty_like(vectors[:, :, 0]), torch.empty_like(matrices[:, :, 0])
    launch(combine_kernel, plan.n * plan.c, vectors, matrices, vector, matrix, plan.length, plan.chunk, plan.chunks,
           plan.chunks, 1, D=plan.d, WIDTH=triton.next_power_of_2(plan.d), PARTS=_PARTS, MOMENTS=moments, num_warps=1)
    return vector, matrix


def _floats(tensor: Tensor | None) -> tuple[Tensor | None, int]:
    """A small tensor for a kernel, and by what its sample index is multiplied: 0 where one sample serves all."""
    if tensor is None:
        return None, 0
    if tensor.dtype is not torch.float32 or not tensor.is_contiguous():
        tensor = tensor.float().contiguous()
    return tensor, int(tensor.shape[0] > 1)


def _check_alike(dy: Tensor, x: Tensor) -> None:
    if dy.shape != x.shape or dy.dtype != x.dtype or memory_format(dy) != memory_format(x):
        raise ValueError(f'dy {tuple(dy.shape)}, {dy.dtype}, {memory_format(dy)} must be as x: {tuple(x.shape)}, '
                         f'{x.dtype}, {memory_format(x)}')
