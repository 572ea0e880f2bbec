"""How a program finds out that it is the last of several, and may add up what all of them have written.

Each takes a ticket when its part is stored: an atomic addition with acquire and release semantics behind a barrier, so
that what the holder of the last number sees is complete. Sums are then made in a fixed order, whichever program makes
them, so that equal inputs give equal results. The counter is at zero again when its kernel ends.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ['is_last', 'tickets_for']

_COUNTERS: dict[tuple[torch.device, int], Tensor] = {}
_LEAST = 4096  # counters made at once


def tickets_for(device: torch.device, count: int) -> Tensor:
    """At least `count` counters, all zero, (count,) int32.

    The kernels of one stream follow each other, so each stream has its own, which its kernels leave at zero. A graph
    that is being recorded gets counters to itself, since it may be replayed in any stream, beside other graphs.
    """
    stream = 0
    if device.type == 'cuda':
        if torch.cuda.is_current_stream_capturing():
            return torch.zeros(count, dtype=torch.int32, device=device)
        stream = torch.cuda.current_stream(device).cuda_stream
    counters = _COUNTERS.get((device, stream))
    if counters is None or len(counters) < count:
        counters = torch.zeros(max(count, _LEAST), dtype=torch.int32, device=device)
        _COUNTERS[device, stream] = counters
    return counters


@triton.jit
def is_last(ticket, count):
    """Whether this is the last of `count` programs to ask; then the ticket is at zero again."""
    tl.debug_barrier()  # all threads have written what belongs to the part
    last = tl.atomic_add(ticket, 1, sem='acq_rel') == count - 1
    if last:
        tl.store(ticket, 0)
    return last
