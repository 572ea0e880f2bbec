"""The map of a layer with batch statistics alone, kept from one call in evaluation to the next.

It depends on parameters, running statistics and settings, so it is taken again only where all of these hold what they
held: compared are values, which are few beside an activation's, and not versions, which writing through `.data` leaves
as they were, and so does the replay of a CUDA graph. On a GPU the kernel compares that uses the map, since its host
would have to wait; here it only has room.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..maths import Affine, Moments, Parameters, Settings
from ..tracing import is_followed

__all__ = ['Memory']


class _Kept(NamedTuple):
    """An affine map, and copies of what it was made of; `context` is all that is no tensor."""

    context: tuple[Any, ...]
    tensors: list[Tensor | None]
    affine: Affine


class Memory:
    """Of one layer: at most one map. A copy of a layer, or one from a file, has an empty one."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._rooms: dict[tuple[torch.device, int], Tensor] = {}

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()

    def recall(self, parameters: Parameters, batch: Moments, settings: Settings, backend: object) -> Affine | None:
        """The map, where it is that of these arguments."""
        kept = self._kept
        if kept is None or kept.context != _context(settings, backend) or not _compares(batch):
            return None
        same = all(map(_equal, kept.tensors, (*parameters, *batch)))
        return kept.affine if same else None

    def keep(self, parameters: Parameters, batch: Moments, settings: Settings, backend: object, affine: Affine) -> None:
        """Holds the map for the next call."""
        if _compares(batch):
            tensors = [None if tensor is None else tensor.detach().clone() for tensor in (*parameters, *batch)]
            self._kept = _Kept(_context(settings, backend), tensors, affine)

    def room(self, device: torch.device, iterations: int, size: int) -> Tensor:
        """`size` values for a kernel of a GPU to keep what it likes in, all NaN at first; the same for each device and
        number of iterations. It is never given up, since recorded graphs have its address."""
        room = self._rooms.get((device, iterations))
        if room is None:
            room = torch.full((size,), float('nan'), dtype=torch.float32, device=device)
            if device.type == 'cuda' and torch.cuda.is_current_stream_capturing():
                return room  # filled by each replay, and by nothing before
            self._rooms[device, iterations] = room
        return room


def _context(settings: Settings, backend: object) -> tuple[Any, ...]:
    """A tensor of inference mode serves no backward, so that mode is part of it."""
    return settings, backend, torch.is_inference_mode_enabled()


def _compares(batch: Moments) -> bool:
    return batch.mean.device.type == 'cpu' and type(batch.mean) is Tensor and not is_followed()


def _equal(kept: Tensor | None, tensor: Tensor | None) -> bool:
    if kept is None or tensor is None:
        return kept is tensor
    return kept.dtype == tensor.dtype and kept.device == tensor.device and torch.equal(kept, tensor)
