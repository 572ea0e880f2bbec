"""The precision island: inside, autocast is off, and products of fp32 matrices are fp32's.

TF32 on a GPU, and bf16 in a CPU's matrix units, keep three digits of a product; an inverse square root that has lost
the others is another matrix. The settings are torch's own, and what the user chose is back afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ['full_precision']


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """For computations on `device`. Under `torch.compile` and its export it changes nothing: they trace no settings."""
    if torch.compiler.is_compiling():
        yield
        return
    backend = torch.backends.cuda.matmul if device.type == 'cuda' else torch.backends.mkldnn.matmul
    chosen = getattr(backend, 'fp32_precision', 'ieee')  # torch before 2.9 has none
    if chosen != 'ieee':
        backend.fp32_precision = 'ieee'
    try:
        if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
            with torch.autocast(device.type, enabled=False):
                yield
        else:
            yield
    finally:
        if chosen != 'ieee':
            backend.fp32_precision = chosen
