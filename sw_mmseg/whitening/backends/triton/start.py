"""Kernels that are started again and again with the same sizes: all that can be known beforehand is.

What a start has to find out is where its tensors are. Small results share buffers, and a kernel is given places in
them, so that no view is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import launch as launching

__all__ = ['Place', 'Start', 'addresses_of', 'placed', 'run']

_ALIGNMENT = 16  # bytes, of every place in an aligned buffer; Triton compiles wider loads for such pointers


class Place(NamedTuple):
    """Where an argument is: in which of the buffers of a call, and at which of its elements, of 4 bytes each."""

    buffer: str
    offset: int = 0
    dtype: torch.dtype | None = None  # where it is not the buffer's


def _room(count: int) -> int:
    """Elements of 4 bytes to set aside for `count`, so that the next place is aligned."""
    return -(-count // 32) * 32


def addresses_of(buffers: Sequence[Tensor | None]) -> list[int]:
    """Of the buffers of a call, 0 where there is none."""
    return [0 if buffer is None else buffer.data_ptr() for buffer in buffers]


class Start:
    """A kernel with its sizes. `arguments` are places in the buffers of a call, by their `names`, numbers and None."""

    def __init__(self, kernel: Any, names: Sequence[str], programs: int, arguments: Sequence[Place | float | None],
                 **constants: Any) -> None:
        self._kernel, self._programs, self._constants = kernel, programs, constants
        self._names, self._arguments = names, arguments
        self._places: list[tuple[int, Any]] = [
            (names.index(argument.buffer), 4 * argument.offset) if isinstance(argument, Place) else (-1, argument)
            for argument in arguments
        ]
        self._run: Any = None  # the compiled kernel, of aligned buffers
        self._constant_values: tuple[Any, ...] = ()

    def __call__(self, buffers: Sequence[Tensor | None], addresses: Sequence[int], aligned: bool) -> None:
        """On the current device, which is that of the buffers; `aligned` says that all their addresses are."""
        if aligned and self._run is not None:
            values = [addresses[buffer] + value if buffer >= 0 else value for buffer, value in self._places]
            self._run(*values, *self._constant_values)
            return
        tensors = [self._at(buffers, argument) if isinstance(argument, Place) else argument
                   for argument in self._arguments]
        if not aligned:
            launching.launch(self._kernel, self._programs, *tensors, **self._constants)
            return
        compiled = launching.compiled_for(self._kernel, self._programs, tensors, self._constants)
        if compiled is not None:
            self._run = compiled[(self._programs, 1, 1)]
            names = self._kernel.arg_names[len(tensors):]
            self._constant_values = tuple(self._constants[name] for name in names)

    def _at(self, buffers: Sequence[Tensor | None], place: Place) -> Tensor | None:
        buffer = buffers[self._names.index(place.buffer)]
        if buffer is None or not (place.offset or place.dtype):
            return buffer
        part = buffer[place.offset:]
        return part if place.dtype is None else part.view(place.dtype)


def run(starts: Sequence[Start], buffers: Sequence[Tensor | None]) -> None:
    """Each on the device of the buffers."""
    addresses = addresses_of(buffers)
    aligned = True
    for address in addresses:
        if address % _ALIGNMENT:
            aligned = False
    for start in starts:
        start(buffers, addresses, aligned)


def placed(buffer: str, sizes: dict[str, int]) -> tuple[dict[str, Place], int]:
    """Aligned places for so many elements, and how many these are in all."""
    places, total = {}, 0
    for name, size in sizes.items():
        places[name] = Place(buffer, total)
        total += _room(size)
    return places, total
