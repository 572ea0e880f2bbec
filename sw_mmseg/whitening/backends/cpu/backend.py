"""The passes in C (`cpu_passes.c`), for fp32 and bf16 on a CPU: called through ctypes.

In torch's own operations a batched product with small matrices goes over the activation about twice as often as
BatchNorm does, and the algebra between the passes is nearly all dispatch. `native` builds the library at first use;
without one, `supported` is false and the passes in torch serve.
"""

import ctypes
from ctypes import byref, c_int64, c_void_p
from types import ModuleType

import torch
from torch import Tensor

from ..moments import Moments, memory_format
from ..settings import Settings
from . import cpu_algebra, torch_passes
from .native import library

__all__ = ['algebra', 'apply', 'apply_gradient', 'gradient_sums', 'sample_moments', 'shift', 'supported']

_LARGEST_GROUP = 64  # DMAX in cpu_passes.c
_PLAIN = (Tensor, torch.nn.Parameter)


class _View(ctypes.Structure):
    _fields_ = [('data', c_void_p), ('bf16', c_int64), ('sn', c_int64), ('sc', c_int64), ('sl', c_int64)]


class _Shape(ctypes.Structure):
    _fields_ = [('n', c_int64), ('c', c_int64), ('d', c_int64), ('l', c_int64), ('threads', c_int64)]


def supported(x: Tensor, group_size: int) -> bool:
    """Also false under tracing and where a tensor has no memory of its own to point at."""
    if x.dtype not in (torch.float32, torch.bfloat16) or group_size > _LARGEST_GROUP or type(x) not in _PLAIN:
        return False
    return not torch.jit.is_tracing() and library() is not None


def sample_moments(x: Tensor, group_size: int) -> Moments:
    n, c = x.shape[:2]
    mean, cov = (torch.empty(n, c // group_size, group_size, *last) for last in ((), (group_size,)))
    _check(library().moments(_view(x), _shape(x, group_size), c_void_p(mean.data_ptr()), c_void_p(cov.data_ptr())))
    return Moments(mean, cov)


def shift(sample: Moments) -> Tensor:
    """Always the mean: subtracting it costs nothing on the way through the cache."""
    return sample.mean


def algebra(settings: Settings) -> ModuleType:
    """In C but for the eigendecomposition, which is LAPACK's."""
    if settings.inverse_sqrt == 'newton' or settings.group_size == 1:
        return cpu_algebra
    return torch_passes.algebra(settings)


def apply(x: Tensor, shift: Tensor | None, matrix: Tensor, vector: Tensor) -> Tensor:
    return _transform(None, None, x, shift, matrix, vector)


def gradient_sums(dy: Tensor, x: Tensor, shift: Tensor | None, group_size: int) -> tuple[Tensor, Tensor]:
    n, c = x.shape[:2]
    total, product = (torch.empty(n, c // group_size, group_size, *last) for last in ((), (group_size,)))
    keep, pointer, stride = _floats(shift, n)
    _check(library().gradient_sums(_view(dy), _view(x), _shape(x, group_size), pointer, stride,
                                   c_void_p(total.data_ptr()), c_void_p(product.data_ptr())))
    del keep
    return total, product


def apply_gradient(dy: Tensor, x: Tensor, shift: Tensor | None, matrix: Tensor, quadratic: Tensor | None,
                   vector: Tensor | None) -> Tensor:
    return _transform(dy, matrix, None if quadratic is None else x, shift, quadratic, vector)


def _transform(dy: Tensor | None, first: Tensor | None, x: Tensor | None, shift: Tensor | None, second: Tensor | None,
               vector: Tensor | None) -> Tensor:
    """firstᵀ dy + second (x − shift) + vector, of the terms that are there."""
    like = dy if x is None else x
    y = torch.empty_like(like, memory_format=memory_format(like))
    floats = [_floats(tensor, len(like)) for tensor in (first, shift, second, vector)]
    a, s, b, v = ((pointer, stride) for _, pointer, stride in floats)
    views = [None if tensor is None else byref(_view(tensor)) for tensor in (dy, x)]
    library().transform_pass(views[0], *a, views[1], *s, *b, *v, _view(y),
                             _shape(like, (second if first is None else first).shape[-1]))
    return y


def _view(x: Tensor) -> _View:
    n, c = x.shape[:2]
    pixels = x[0, 0].numel() if n else 0
    last = memory_format(x) is not torch.contiguous_format
    return _View(x.data_ptr(), x.dtype == torch.bfloat16, c * pixels, 1 if last else pixels, c if last else 1)


def _shape(x: Tensor, group_size: int) -> _Shape:
    return _Shape(x.shape[0], x.shape[1], group_size, x[0, 0].numel() if len(x) else 0, torch.get_num_threads())


def _floats(tensor: Tensor | None, samples: int) -> tuple[Tensor | None, c_void_p, c_int64]:
    """The tensor, to be kept alive, its address, and the stride of a sample: 0 where one serves all."""
    if tensor is None:
        return None, c_void_p(), c_int64(0)
    tensor = tensor.contiguous()
    stride = 0 if tensor.shape[0] == 1 else tensor.numel() // max(samples, 1)
    return tensor, c_void_p(tensor.data_ptr()), c_int64(stride)


def _check(failed: int) -> None:
    if failed:
        raise MemoryError('no memory for the partial sums of a whitening pass')
