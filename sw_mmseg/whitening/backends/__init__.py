"""The passes over the activation, and the algebra between them, by device: one interface, several modules that keep it.

    module          where                              how
    torch_passes    everywhere; the oracle             batched matrix products, `algebra`
    cpu_passes      CPU, fp32 and bf16, D ≤ 64         C, compiled at first use where there is a compiler
    triton_passes   CUDA, fp32, bf16 and fp16, D ≤ 64  Triton

x and dy are (N, C, *), contiguous or channels_last, and both alike; all else is in the dtype of `compute_dtype`, and
where N is 1 in a matrix or vector it serves every sample. Environment variable SW_MMSEG_KERNELS: `auto` (the default)
takes the fastest that fits, `torch` always the first.

    sample_moments(x, group_size) -> Moments                   one read
    shift(sample) -> (N, G, D) or None                         what the other passes should subtract from x
    apply(x, shift, A, b) -> y = A (x − shift) + b             one read, one write; a fresh tensor like x
    gradient_sums(dy, x, shift, group_size) -> Σ dy (N, G, D), Σ dy (x − shift)ᵀ (N, G, D, D)
    apply_gradient(dy, x, shift, A, B, c) -> dx = Aᵀ dy + B (x − shift) + c, with B and c None where there is neither
    algebra(settings) -> a module with `pool`, `fold`, `fold_backward`, `input_matrices` of `algebra`
"""

import functools
import os
from types import ModuleType

from torch import Tensor

from . import torch_passes

__all__ = ['VARIABLE', 'select', 'track']

VARIABLE = 'SW_MMSEG_KERNELS'


def select(x: Tensor, group_size: int) -> ModuleType:
    """The module that computes on x. Raises `ValueError` for an unknown value of the environment variable."""
    choice = os.environ.get(VARIABLE, 'auto')
    if choice not in ('auto', 'torch'):
        raise ValueError(f"{VARIABLE}={choice} is unknown: choose 'auto' or 'torch'")
    if choice == 'auto' and x.device.type == 'cpu':
        from . import cpu_passes
        if cpu_passes.supported(x, group_size):
            return cpu_passes
    if choice == 'auto' and x.device.type == 'cuda':
        triton_passes = _triton_passes()
        if triton_passes is not None and triton_passes.supported(x, group_size):
            return triton_passes
    return torch_passes


def track(running_mean: Tensor, running_cov: Tensor, batches: Tensor, mean: Tensor, cov: Tensor, factor: float,
          scale: float) -> None:
    """running ← running + factor (new − running), where new is a batch's mean (C,), and `scale` times its covariance
    (G, D, D); counts the batch."""
    chosen = select(mean, cov.shape[-1])
    passes = chosen if hasattr(chosen, 'track') else torch_passes
    passes.track(running_mean, running_cov, batches, mean, cov, factor, scale)


@functools.cache
def _triton_passes() -> ModuleType | None:
    try:
        from . import triton_passes
    except ImportError:  # torch for a platform that Triton does not serve
        return None
    return triton_passes
