"""What a backend does: the passes over the activation, and the algebra between them, on one kind of device.

A backend is a module whose functions are those of `Backend`; its algebra is a module whose functions are those of
`Algebra`. A type checker compares both with the protocols where `backends.select` and `algebra` return them.

x and dy are (N, C, *), contiguous or channels_last, and both alike; all else is in the dtype of `compute_dtype`, and
where N is 1 in a matrix or vector it serves every sample.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..maths import Affine, Gradients, Moments, Parameters, Settings
from ..tracing import is_recorded

__all__ = ['LARGEST_GROUP', 'Algebra', 'Backend', 'Counters', 'has_plain_memory']

# Of the C and Triton backends: D² sums of a larger group fit neither into the first-level cache nor into registers.
LARGEST_GROUP = 64
_PLAIN_TYPES = (Tensor, torch.nn.Parameter)


class Counters(NamedTuple):
    """Batches that moved the running statistics, and those that could not: 0-d int64 tensors."""

    tracked: Tensor
    skipped: Tensor


class Algebra(Protocol):
    """The functions of `maths.algebra`, where they are explained."""

    def pool(self, sample: Moments) -> Moments:
        """Moments of samples -> moments of the batch."""

    def mix_to_affine(
        self,
        sample: Moments | None,
        batch: Moments | None,
        shift: Tensor | None,
        parameters: Parameters,
        settings: Settings,
    ) -> Affine:
        """Moments, ratios, γ and β -> the A and b that `Backend.apply` takes."""

    def mix_to_affine_backward(
        self,
        total: Tensor,
        product: Tensor,
        sample: Moments | None,
        batch: Moments | None,
        shift: Tensor | None,
        parameters: Parameters,
        affine: Affine,
        settings: Settings,
    ) -> Gradients:
        """The results of `Backend.gradient_sums` -> gradients of the parameters and of all moments."""

    def input_matrices(
        self,
        mixed: Moments,
        of_batch: Moments | None,
        sample: Moments,
        batch: Moments | None,
        shift: Tensor | None,
        parameters: Parameters,
        settings: Settings,
        share: float | Tensor,
        length: int,
    ) -> tuple[Tensor, Tensor]:
        """Gradients of moments -> the B and c that `Backend.apply_gradient` takes."""


class Backend(Protocol):
    """The passes; each reads its large inputs once."""

    def supported(self, x: Tensor, group_size: int) -> bool:
        """Whether the passes take x as it is."""

    def sample_moments(self, x: Tensor, group_size: int) -> Moments:
        """Mean (N, G, D) and covariance (N, G, D, D) of every sample and group."""

    def shift(self, sample: Moments) -> Tensor | None:
        """What the other passes should subtract from x, (N, G, D), so that no digits are lost; None for nothing."""

    def apply(self, x: Tensor, shift: Tensor | None, matrix: Tensor, vector: Tensor) -> Tensor:
        """y = A (x − shift) + b: a fresh tensor like x."""

    def gradient_sums(self, dy: Tensor, x: Tensor, shift: Tensor | None, group_size: int) -> tuple[Tensor, Tensor]:
        """Σ dy (N, G, D) and Σ dy (x − shift)ᵀ (N, G, D, D)."""

    def apply_gradient(
        self,
        dy: Tensor,
        x: Tensor,
        shift: Tensor | None,
        matrix: Tensor,
        quadratic: Tensor | None,
        vector: Tensor | None,
    ) -> Tensor:
        """dx = Aᵀ dy + B (x − shift) + c, with B and c None where there is neither: a fresh tensor like x."""

    def algebra(self, settings: Settings) -> Algebra:
        """What computes between the passes of a layer with these settings."""

    def track(
        self,
        running: Moments,
        counters: Counters,
        new: Moments,
        factor: float | Tensor,
        scale: float | Tensor,
        seen: int | Tensor,
    ) -> None:
        """In place: running ← running + factor (new − running), with `scale` times the new covariance, and
        tracked ← tracked + seen; or, where the new covariance is not finite, skipped ← skipped + seen alone.

        `running` and `new` have means (C,) and covariances (G, D, D); a mean that is not finite has a covariance that
        is not, about which nothing has to be said therefore. Nothing waits for a GPU.
        """


def has_plain_memory(x: Tensor, group_size: int) -> bool:
    """Whether compiled code may be given x by its address: a tensor with its values in memory, see `with_memory`, and
    not while `torch.jit.trace` or a dispatch mode records torch's operations."""
    if torch.jit.is_tracing() or is_recorded() or x._is_zerotensor() or x.is_neg():
        return False
    return type(x) in _PLAIN_TYPES and 1 <= group_size <= LARGEST_GROUP
