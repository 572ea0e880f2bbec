"""Another view of images and their labels inside a training step: mirrored, and zoomed into.

On tensors, because there the pseudo-labels exist; every image gets numbers of its own, from a generator that the caller
owns (`randomness.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['random_views']


def random_views(
    images: Tensor, labels: Tensor, generators: Sequence[torch.Generator], zoom: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and labels (N, H, W), half of them mirrored, each a part of its image at the image's size.

    The part's sides are those of the image divided by a factor that is uniform in 1 to `zoom`; it lies anywhere in it.
    Labels are taken from the nearest pixel.
    """
    views = [_view(image, label, generator, zoom) for image, label, generator in zip(images, labels, generators)]
    return torch.stack([image for image, _ in views]), torch.stack([label for _, label in views])


def _view(image: Tensor, label: Tensor, generator: torch.Generator, zoom: float) -> tuple[Tensor, Tensor]:
    mirrored, factor, top, left = torch.rand(4, generator=generator).tolist()
    size = label.shape
    height, width = (max(1, round(side / (1 + (zoom - 1) * factor))) for side in size)
    top, left = round(top * (size[0] - height)), round(left * (size[1] - width))
    image, label = (part[..., top : top + height, left : left + width] for part in (image, label))
    if mirrored < 0.5:
        image, label = image.flip(-1), label.flip(-1)
    image = F.interpolate(image[None], size, mode='bilinear', align_corners=False)[0]
    return image, F.interpolate(label[None, None].float(), size, mode='nearest')[0, 0].to(label)
