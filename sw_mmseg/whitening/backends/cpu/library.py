"""The functions of the shared library with their types, and the structures that they take.

The structures are those of the C files: `View` and `Shape` of blocks.h and passes.c, `Floats` of passes.c, `Problem` of
mixture.h. A test compares the signatures below with the C.
"""

import ctypes
import functools
import logging
import warnings
from ctypes import POINTER, Structure, c_double, c_int, c_int64, c_void_p

import torch
from torch import Tensor

from ...maths import STATISTICS
from .build import BuildError, compiler, load

__all__ = ['SIGNATURES', 'Floats', 'Problem', 'Shape', 'View', 'address', 'library', 'library_or_none', 'room', 'typed']

_LOGGER = logging.getLogger(__name__)


class View(Structure):
    """An activation: address, whether bf16, strides of a sample, a channel and a pixel in elements."""

    _fields_ = [('data', c_void_p), ('bf16', c_int64), ('sn', c_int64), ('sc', c_int64), ('sl', c_int64)]


class Shape(Structure):
    """N, C, D, pixels, and how many threads to use."""

    _fields_ = [('n', c_int64), ('c', c_int64), ('d', c_int64), ('l', c_int64), ('threads', c_int64)]


class Floats(Structure):
    """A small tensor: address or NULL, and the stride of a sample, 0 where one serves all."""

    _fields_ = [('data', c_void_p), ('stride', c_int64)]


class Problem(Structure):
    """What the algebra needs to know of a layer and its moments."""

    _fields_ = [
        *((name, c_int64) for name in ('n', 'm', 'g', 'd', 'iterations', 'threads', 'rows')),
        ('at', c_int64 * len(STATISTICS)),
        ('words', c_int64),
        ('eps', c_double),
        *(
            (name, c_void_p)
            for name in (
                'mean_logits',
                'cov_logits',
                'weight',
                'bias',
                'sample_mean',
                'sample_cov',
                'batch_mean',
                'batch_cov',
                'shift',
            )
        ),
    ]


_FLOATS = c_void_p  # the address of a tensor's values, an int, or None for NULL

# function -> type of the result, types of the arguments
SIGNATURES = {
    'sw_moments': (c_int, (View, Shape, _FLOATS, _FLOATS)),
    'sw_gradient_sums': (c_int, (View, View, Shape, _FLOATS, c_int64, _FLOATS, _FLOATS)),
    'sw_transform': (c_int, (POINTER(View), Floats, POINTER(View), Floats, Floats, Floats, View, Shape)),
    'sw_pool_moments': (None, (_FLOATS, _FLOATS, c_int64, c_int64, c_int64, _FLOATS, _FLOATS)),
    'sw_mix_to_affine': (c_int, (POINTER(Problem), *[_FLOATS] * 5)),
    'sw_mix_to_affine_backward': (c_int, (POINTER(Problem), *[_FLOATS] * 14)),
    'sw_input_matrices': (c_int, (POINTER(Problem), *[_FLOATS] * 4, c_double, c_int64, _FLOATS, _FLOATS)),
}


def library() -> ctypes.CDLL:
    """The library, typed. Raises `BuildError` where it cannot be had."""
    loaded = library_or_none()
    if loaded is None:
        raise BuildError('the C code of whitening was not built')
    return loaded


@functools.cache
def library_or_none() -> ctypes.CDLL | None:
    """The library, or None where it cannot be had: that is said once, as a warning if there is a compiler."""
    if compiler() is None:
        _LOGGER.info('whitening runs on torch alone, slower on a CPU: no C compiler here')
        return None
    try:
        return typed(load())
    except BuildError as error:
        warnings.warn(
            f'whitening runs on torch alone, slower on a CPU: its C code was not built: {error}', RuntimeWarning
        )
        return None


def typed(loaded: ctypes.CDLL) -> ctypes.CDLL:
    """The same library, whose functions now refuse arguments of other types. Raises `BuildError` for a missing one."""
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(loaded, name, None)
        if function is None:
            raise BuildError(f'{loaded._name} has no function {name}')
        function.restype, function.argtypes = result, arguments
    return loaded


def address(tensor: Tensor | None) -> int | None:
    """For an argument of the library; the tensor must live until the call returns.

    Raises:
        RuntimeError: it has values but no memory, as fake ones have; the C code would take it for None.
    """
    if tensor is None:
        return None
    place = tensor.data_ptr()
    if not place and tensor.numel():
        raise RuntimeError(
            f'compiled code got a {type(tensor).__name__} without memory, of shape {tuple(tensor.shape)}'
        )
    return place


def room(*shape: int) -> Tensor:
    """For a result of the library: fp32 and on the CPU, whatever torch's defaults are."""
    return _model().new_empty(*shape)  # in less than half the time of `torch.empty` with a dtype and a device


@functools.cache
def _model() -> Tensor:
    """Of no values. Not made at import, which may happen under a mode that fakes tensors."""
    return torch.empty(0, dtype=torch.float32, device='cpu')
