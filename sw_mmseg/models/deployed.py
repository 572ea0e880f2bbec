"""A segmentor as one module from an image's pixels to its labels, to be exported: resizing and normalisation inside."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['DeployedSegmentor', 'LooksAt']


class LooksAt(NamedTuple):
    """The size at which a network looks, as mmcv's `Resize` says it.

    Args:
        long, short: with `keep_ratio` the most that the sides may have; else width and height.
        keep_ratio: whether the image keeps its shape.
    """

    long: int
    short: int
    keep_ratio: bool

    def size(self, image: Tensor) -> list[Tensor]:
        """Height and width of an image (1, H, W, 3) when looked at: integers of torch, which a tracer follows."""
        if not self.keep_ratio:
            return [torch.tensor(self.short), torch.tensor(self.long)]
        sides = torch.stack([torch.as_tensor(length) for length in image.shape[1:3]])
        long, short = sides.max(), sides.min()
        by_long = self.long * short <= self.short * long  # the factor is the smaller of long / long and short / short
        above = torch.where(by_long, torch.tensor(self.long), torch.tensor(self.short))
        below = torch.where(by_long, long, short)
        scaled = torch.div(2 * sides * above + below, 2 * below, rounding_mode='floor')  # rounded half up
        return [scaled[0], scaled[1]]


class DeployedSegmentor(nn.Module):
    """Images (1, H, W, 3) uint8, RGB, of any size -> labels (1, H, W) uint8 and logits (1, K, H, W) float32.

    The image is scaled (bilinear), normalised and segmented whole; the logits are brought to the scaled size, then to
    the image's, as mmseg's `predict` does. Scaled greys are not rounded: halves, which are many, would go up in one
    runtime and down in another.

    Args:
        segmentor: an `EncoderDecoder` in evaluation mode.
        mean, std: of each channel, 0 to 255, in the order that the network takes.
        rgb: whether the network takes RGB, or BGR.
        looks_at: the size at which it looks; None for the image's own.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        segmentor: nn.Module,
        mean: list[float],
        std: list[float],
        rgb: bool = True,
        looks_at: LooksAt | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.decode_head = segmentor.backbone, segmentor.decode_head
        self.neck = getattr(segmentor, 'neck', None)
        self.align_corners, self.rgb, self.looks_at = bool(segmentor.align_corners), rgb, looks_at
        self.scaled_size: list[int] | None = None  # in place of what `looks_at` computes
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    def for_size(self, size: tuple[int, int]) -> DeployedSegmentor:
        """A copy for images of this width and height alone, in which no size is computed."""
        model = copy.deepcopy(self)
        if self.looks_at is not None:
            model.scaled_size = [int(side) for side in self.looks_at.size(torch.empty(1, size[1], size[0], 3))]
        return model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Labels and logits."""
        pixels = image.permute(0, 3, 1, 2).float()  # 1 3 H W
        if self.looks_at is not None:
            size = self.scaled_size or self.looks_at.size(image)
            pixels = F.interpolate(pixels, size, mode='bilinear', align_corners=False)
        pixels = ((pixels if self.rgb else pixels.flip(1)) - self.mean) / self.std
        features = self.backbone(pixels)
        logits = self.decode_head(features if self.neck is None else self.neck(features))
        logits = self._resized(logits, [pixels.shape[2], pixels.shape[3]])
        logits = self._resized(logits, [image.shape[1], image.shape[2]])
        return logits.argmax(1).to(torch.uint8), logits

    def _resized(self, logits: Tensor, size: list[int]) -> Tensor:
        return F.interpolate(logits, size, mode='bilinear', align_corners=self.align_corners)
