"""What is known of a call of a layer before it is made, and the pass that each way through the layer begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton

from ...maths import Settings
from .gather import gather_gradients_kernel, gather_moments_kernel
from .start import Place, Start
from .tiles import Plan

__all__ = ['Call', 'Numbers', 'Pieces', 'passing']

Numbers = Sequence['Place | float | None']
BUNCH = 32  # chunks that one program joins, and then bunches
_ADDED = 64  # rows of matrices that a program adds up at once


class Call(NamedTuple):
    """What a recipe depends on. `given` says that the batch moments are the running ones, and a momentum that those
    are moved; `types` are the dtypes of γ, β, both logits and the running statistics, None for what is absent."""

    n: int
    c: int
    length: int
    last: bool
    dtype: torch.dtype
    device: torch.device
    settings: Settings
    given: bool
    momentum: float | None
    types: tuple[torch.dtype | None, ...]


def passing(kernel: triton.JITFunction, buffers: Sequence[str], call: Call, plan: Plan, arguments: Numbers,
            beyond: int = 0, **constants: int) -> Start:
    """A pass over the activation, with some programs more."""
    return Start(kernel, buffers, plan.programs + beyond, [*arguments, *plan.sizes], WHOLE=call.dtype.itemsize == 2,
                 **constants, **plan.constants)


class Pieces:
    """The chunks that each sample's pixels are dealt out in, and the bunches in which they are joined again."""

    def __init__(self, call: Call, plan: Plan) -> None:
        self._call, self._plan = call, plan
        bunches = -(-plan.chunks // BUNCH)
        self._joined = plan.chunks > 1
        self._tickets = plan.n * plan.tiles * (bunches + 1)
        self._constants = {'BUNCH': BUNCH, 'PARTS': max(_ADDED // plan.rows, 1)}
        values = call.n * call.c * (plan.chunks + bunches) * self._joined
        self.sizes = {'parts': values, 'part_matrices': values * plan.d}

    def tickets(self, pools: bool) -> int:
        """How many counters `moments` takes."""
        return (self._tickets + self._plan.tiles) if self._joined or pools else 0

    def moments(self, buffers: Sequence[str], at: dict[str, Place], sample: Numbers, batch: Numbers, pools: bool
                ) -> Start:
        """Into `sample`, and where it `pools` into `batch`, by way of places for `sizes`."""
        tickets = Place('tickets') if self.tickets(pools) else None
        arguments = [Place('x'), *self._room(at), *sample, *batch, tickets, self._call.n]
        return passing(gather_moments_kernel, buffers, self._call, self._plan, arguments, POOL=pools,
                       **self._constants)

    def gradients(self, buffers: Sequence[str], at: dict[str, Place], shift: Place, step: int, sums: Numbers) -> Start:
        """Into `sums`, by way of places for `sizes`."""
        tickets = Place('tickets') if self._joined else None
        arguments = [Place('dy'), Place('x'), shift, step, *self._room(at), *sums, tickets]
        return passing(gather_gradients_kernel, buffers, self._call, self._plan, arguments, **self._constants)

    def _room(self, at: dict[str, Place]) -> Numbers:
        return [at[name] if self._joined else None for name in self.sizes]
