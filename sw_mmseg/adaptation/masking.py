"""Masked-image consistency (MIC, Hoyer et al., 2023): what a hidden patch shows has to follow from its surroundings.

The student sees a target image of which square patches are hidden, and has to predict the teacher's labels of the whole
image. Hidden is a pixel at the mean of the data set, 0 after normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['Masking', 'visible']


@dataclass(frozen=True)
class Masking:
    """How images are masked, and what that is worth.

    Args:
        block: side of the patches in pixels; MIC: 64 in crops of 512 (DAFormer).
        ratio: probability that a patch is hidden, in [0, 1].
        weight: of the loss on masked images.
    """

    block: int = 64
    ratio: float = 0.7
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.block < 1 or not 0 <= self.ratio <= 1 or self.weight < 0:
            raise ValueError(f'masking needs block >= 1, ratio in [0, 1] and weight >= 0, got {self}')

    def __call__(self, images: Tensor, generators: list[torch.Generator]) -> Tensor:
        """Normalised images (N, C, H, W), patches of which are 0; each has a pattern of its own."""
        size = images.shape[-2:]
        seen = torch.stack([visible(size, self.block, self.ratio, generator) for generator in generators])
        return images * seen[:, None].to(images)


def visible(size: Sequence[int], block: int, ratio: float, generator: torch.Generator) -> Tensor:
    """What stays visible: (H, W) of 0 and 1; blocks at the right and lower edge may be cut."""
    rows, columns = (-(-side // block) for side in size)
    seen = (torch.rand(rows, columns, generator=generator) >= ratio).float()
    return F.interpolate(seen[None, None], scale_factor=block)[0, 0, : size[0], : size[1]]
