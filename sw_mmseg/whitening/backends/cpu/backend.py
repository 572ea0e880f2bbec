"""The passes in C (`passes.c`), for fp32 and bf16 on a CPU: called through ctypes.

In torch's own operations a batched product with small matrices goes over the activation about twice as often as
BatchNorm does, and the algebra between the passes is nearly all dispatch. The library is built at first use; without
one, `supported` is false and the passes in torch serve.
"""

from ctypes import byref

import torch
from torch import Tensor

from ...maths import Moments, Settings, memory_format
from .. import torch_backend
from ..base import Algebra, Counters, has_plain_memory
from . import algebra as cpu_algebra
from .library import Floats, Shape, View, address, library, library_or_none, room

__all__ = ['algebra', 'apply', 'apply_gradient', 'gradient_sums', 'sample_moments', 'shift', 'supported', 'track']

_DTYPES = (torch.float32, torch.bfloat16)


def supported(x: Tensor, group_size: int) -> bool:
    return x.dtype in _DTYPES and has_plain_memory(x, group_size) and library_or_none() is not None


def sample_moments(x: Tensor, group_size: int) -> Moments:
    mean, cov = _empty_sums(x, group_size)
    _check(library().sw_moments(_view(x), _shape(x, group_size), address(mean), address(cov)))
    return Moments(mean, cov)


def shift(sample: Moments) -> Tensor:
    """Always the mean: subtracting it costs nothing on the way through the cache."""
    return sample.mean


def algebra(settings: Settings) -> Algebra:
    """In C but for the eigendecomposition, which is LAPACK's."""
    if settings.inverse_sqrt == 'newton' or settings.group_size == 1:
        return cpu_algebra
    return torch_backend.algebra(settings)


def apply(x: Tensor, shift: Tensor | None, matrix: Tensor, vector: Tensor) -> Tensor:
    return _transform(None, None, x, shift, matrix, vector)


def gradient_sums(dy: Tensor, x: Tensor, shift: Tensor | None, group_size: int) -> tuple[Tensor, Tensor]:
    total, product = _empty_sums(x, group_size)
    shift = None if shift is None else shift.contiguous()  # held by its name while the library reads it
    floats = _floats(shift, len(x))
    _check(
        library().sw_gradient_sums(
            _view(dy), _view(x), _shape(x, group_size), floats.data, floats.stride, address(total), address(product)
        )
    )
    return total, product


def apply_gradient(
    dy: Tensor, x: Tensor, shift: Tensor | None, matrix: Tensor, quadratic: Tensor | None, vector: Tensor | None
) -> Tensor:
    return _transform(dy, matrix, None if quadratic is None else x, shift, quadratic, vector)


def track(
    running: Moments,
    counters: Counters,
    new: Moments,
    factor: float | Tensor,
    scale: float | Tensor,
    seen: int | Tensor,
) -> None:
    """In torch: a handful of small operations."""
    torch_backend.track(running, counters, new, factor, scale, seen)


def _transform(
    dy: Tensor | None,
    first: Tensor | None,
    x: Tensor | None,
    shift: Tensor | None,
    second: Tensor | None,
    vector: Tensor | None,
) -> Tensor:
    """firstᵀ dy + second (x − shift) + vector, of the terms that are there."""
    model = next(tensor for tensor in (x, dy) if tensor is not None)
    group_size = next(matrix for matrix in (first, second) if matrix is not None).shape[-1]
    y = torch.empty_like(model, memory_format=memory_format(model))
    small = [None if tensor is None else tensor.contiguous() for tensor in (first, shift, second, vector)]
    a, about, b, offset = (_floats(tensor, len(model)) for tensor in small)
    views = [None if tensor is None else byref(_view(tensor)) for tensor in (dy, x)]
    _check(library().sw_transform(views[0], a, views[1], about, b, offset, _view(y), _shape(model, group_size)))
    return y


def _empty_sums(x: Tensor, group_size: int) -> tuple[Tensor, Tensor]:
    """Room for a vector (N, G, D) and a matrix (N, G, D, D)."""
    n, g = x.shape[0], x.shape[1] // group_size
    return room(n, g, group_size), room(n, g, group_size, group_size)


def _view(x: Tensor) -> View:
    n, c = x.shape[:2]
    pixels = x[0, 0].numel() if n else 0
    last = memory_format(x) is not torch.contiguous_format
    return View(x.data_ptr(), x.dtype == torch.bfloat16, c * pixels, 1 if last else pixels, c if last else 1)


def _shape(x: Tensor, group_size: int) -> Shape:
    return Shape(x.shape[0], x.shape[1], group_size, x[0, 0].numel() if len(x) else 0, torch.get_num_threads())


def _floats(tensor: Tensor | None, samples: int) -> Floats:
    """Of a contiguous tensor, which must live as long as the result is used."""
    if tensor is None:
        return Floats(None, 0)
    return Floats(tensor.data_ptr(), 0 if tensor.shape[0] == 1 else tensor.numel() // max(samples, 1))


def _check(failed: int) -> None:
    if failed:
        raise MemoryError('no memory for the partial sums of a whitening pass')
