"""The precision island: inside, autocast is off, and products of fp32 matrices are fp32's.

TF32 on a GPU, and bf16 in a CPU's matrix units, keep three digits of a product; an inverse square root that has lost
the others is another matrix. torch has one switch for that in a process, none for a thread. So an island turns it where
it must, and the last of the islands that are open at a time, in whatever thread, turns it back to what the user chose.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch

__all__ = ['full_precision']


_FULL = ('highest', 'ieee')  # full precision, by the old name and the new


class _Switch:
    """torch's setting of fp32 products on one kind of device: at its full precision while any island is open."""

    def __init__(self, module: Any) -> None:
        self._module, self._lock = module, Lock()
        self._open, self._chosen = 0, ''

    def enter(self) -> bool:
        """Whether this island must leave again: not where the user has chosen full precision."""
        with self._lock:
            if not self._open:
                self._chosen = self._get()
                if self._chosen in _FULL:
                    return False
                self._set(_FULL[self._is_new()])
            self._open += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if not self._open:
                self._set(self._chosen)

    def _is_new(self) -> bool:
        """torch before 2.9 has one setting for all devices."""
        return hasattr(getattr(self._module, 'matmul', None), 'fp32_precision')

    def _get(self) -> str:
        return self._module.matmul.fp32_precision if self._is_new() else torch.get_float32_matmul_precision()

    def _set(self, precision: str) -> None:
        if self._is_new():
            self._module.matmul.fp32_precision = precision
        else:
            torch.set_float32_matmul_precision(precision)


_CUDA, _CPU = _Switch(torch.backends.cuda), _Switch(torch.backends.mkldnn)


def _without_autocast(device_type: str) -> AbstractContextManager[Any]:
    compiling = torch.compiler.is_compiling()  # Dynamo does not follow the question behind `else`
    known = device_type != 'meta' if compiling else torch.amp.is_autocast_available(device_type)
    on = known and torch.is_autocast_enabled(device_type)
    return torch.autocast(device_type, enabled=False) if on else nullcontext()


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """For computations on `device`. Under `torch.compile` and `torch.export` it turns autocast off alone, which they
    write into their programs where it is on: they trace no settings."""
    if torch.compiler.is_compiling():
        with _without_autocast(device.type):
            yield
        return
    switch = _CUDA if device.type == 'cuda' else _CPU
    entered = switch.enter()
    try:
        with _without_autocast(device.type):
            yield
    finally:
        if entered:
            switch.leave()
