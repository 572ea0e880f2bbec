"""Maps of one size to maps of four sizes, for a decoder that reads a pyramid: what a plain transformer needs.

ViTDet's simple pyramid (Li et al., ECCV 2022), with one block's tokens a level in place of the last block's for all,
and narrow: every level is brought to few channels first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['TokenPyramid']


@MODELS.register_module()
class TokenPyramid(BaseModule):
    """Four maps (N, C, h, w) to maps (N, channels, ...) of 4, 2, 1 and 1/2 times that size, finest first.

    Args:
        in_channels: C of each.
        channels: of each level.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 128, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != 4:
            raise ValueError(f'in_channels={list(in_channels)}: the pyramid has four levels')
        self.narrow = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)

        def doubled() -> nn.Module:
            return nn.ConvTranspose2d(channels, channels, 2, stride=2)

        self.finest, self.fine = nn.Sequential(doubled(), nn.GELU(), doubled()), doubled()

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels, finest first."""
        finest, fine, middle, coarse = (narrow(level) for narrow, level in zip(self.narrow, maps, strict=True))
        return self.finest(finest), self.fine(fine), middle, F.avg_pool2d(coarse, 2, ceil_mode=True)
