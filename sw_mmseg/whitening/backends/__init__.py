"""The same computation in three ways, of which each call takes the fastest that fits; `base` says what each one does.

    backend        where                               how
    torch_backend  everywhere; the others' oracle      torch's batched matrix products, `maths.algebra`
    cpu            CPU, fp32 and bf16, D ≤ 64          C, compiled at first use where there is a compiler
    triton         CUDA, fp32, bf16 and fp16, D ≤ 64   Triton

Environment variable SW_MMSEG_KERNELS, read once a process: `auto` (the default) takes the fastest that fits, `torch`
always the first. `choose_backend` does the same while a process runs.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from . import torch_backend
from .base import Algebra, Backend, Counters

__all__ = [
    'CHOICES',
    'VARIABLE',
    'Algebra',
    'Backend',
    'Counters',
    'choose_backend',
    'select',
    'torch_backend',
    'using_backend',
]

VARIABLE = 'SW_MMSEG_KERNELS'
CHOICES = ('auto', 'torch')
_chosen: str | None = None  # None until the environment has been read


def choose_backend(choice: str | None) -> None:
    """What this process computes with from now on: 'auto' or 'torch'; None is what the environment variable says.

    Raises:
        ValueError: an unknown choice, here or in the environment variable.
    """
    global _chosen
    if choice is None:
        choice = os.environ.get(VARIABLE, 'auto')
        if choice not in CHOICES:
            raise ValueError(f"{VARIABLE}={choice} is unknown: choose 'auto' or 'torch'")
    elif choice not in CHOICES:
        raise ValueError(f"backend {choice!r} is unknown: choose 'auto' or 'torch'")
    _chosen = choice


@contextmanager
def using_backend(choice: str) -> Iterator[None]:
    """`choose_backend` for the length of a `with` block."""
    global _chosen
    before = _chosen
    choose_backend(choice)
    try:
        yield
    finally:
        _chosen = before


def select(x: Tensor, group_size: int) -> Backend:
    """The backend that computes on x. Raises `ValueError` for an unknown value of the environment variable."""
    if torch.compiler.is_compiling():
        return torch_backend  # the only one that a compiler can look into
    if _chosen is None:
        choose_backend(None)
    if _chosen == 'torch':
        return torch_backend
    candidate = _fastest(x.device.type)
    return candidate if candidate.supported(x, group_size) else torch_backend


@functools.cache
def _fastest(device_type: str) -> Backend:
    """For a kind of device, imported when it is first met."""
    if device_type == 'cpu':
        from .cpu import backend as cpu_backend

        return cpu_backend
    if device_type == 'cuda':
        try:
            from .triton import backend as triton_backend
        except ImportError:  # torch for a platform that Triton does not serve
            return torch_backend
        return triton_backend
    return torch_backend
