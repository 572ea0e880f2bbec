"""Colour jitter and Gaussian blur of normalised image batches, inside a training step.

Domain generalisation by ISW compares an image with such a view of itself (RobustNet, Section 4.3); self-training
disturbs mixed images so. On tensors, because there the images to disturb exist; on any device; every image gets
numbers of its own, from a generator that the caller owns.

All changes of colour but the last clipping are linear. Departure from the usual HSV jitter: hue is turned in the chroma
plane of YIQ, which keeps luma and needs no case distinctions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['Photometric', 'gaussian_blur', 'jitter_colours']

# RGB to luma and two axes of chroma (NTSC)
YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


def jitter_colours(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """RGB images (N, 3, H, W) of 0 to 1, changed by factors (1 leaves them) and turns (0 leaves them) of shape (N,).

    In this order: times `brightness`; distance from the image's mean grey times `contrast`; distance of each pixel from
    its grey times `saturation`; chroma turned by `hue` (1 is a full turn). Clipped to 0..1 at the end.
    """
    to_yiq = images.new_tensor(YIQ)
    images = images * _each(brightness)
    luma = (images * to_yiq[0].view(3, 1, 1)).sum(1, keepdim=True)
    images = luma.mean((2, 3), keepdim=True).lerp(images, _each(contrast))
    cos, sin = (2 * math.pi * hue).cos() * saturation, (2 * math.pi * hue).sin() * saturation
    turn = images.new_zeros(len(images), 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = cos, -sin, sin, cos
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq  # N 3 3
    return torch.einsum('nij,njhw->nihw', matrix, images).clamp(0, 1)


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Images (N, C, H, W), each blurred with its own deviation of `sigma` (N,) pixels; 0 leaves it. Edges repeat.

    The kernel reaches `radius` pixels: three times the largest deviation is enough.
    """
    steps = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = (-0.5 * (steps / sigma.clamp(min=1e-3)[:, None]).square()).exp()  # N K
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(images.shape[1], 0)[:, None, None]  # N·C 1 1 K
    flat = F.pad(images.flatten(0, 1)[None], (radius,) * 4, mode='replicate')  # 1 N·C H+2r W+2r
    flat = F.conv2d(flat, kernel, groups=len(kernel))
    return F.conv2d(flat, kernel.transpose(2, 3), groups=len(kernel))[0].view_as(images)


@dataclass(frozen=True)
class Photometric:
    """How strongly colours and sharpness are disturbed; RobustNet's colours by default.

    Args:
        brightness, contrast, saturation: factors are uniform in 1 - x to 1 + x.
        hue: turns are uniform in -x to x; 1 is a full turn.
        jitter_probability: share of images whose colours change.
        blur: range of the blur's deviation in pixels, uniform.
        blur_probability: share of images that are blurred.
    """

    brightness: float = 0.8
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = 0.3
    jitter_probability: float = 1.0
    blur: Sequence[float] = (0.15, 1.15)
    blur_probability: float = 0.5

    def __post_init__(self) -> None:
        factors = (self.brightness, self.contrast, self.saturation, self.jitter_probability, self.blur_probability)
        if not all(0 <= value <= 1 for value in factors) or not 0 <= self.hue <= 0.5 or not min(self.blur) >= 0:
            raise ValueError(
                f'factors and probabilities must lie between 0 and 1, hue between 0 and 0.5, blur at or '
                f'above 0; got {self}'
            )

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator], preprocessor: nn.Module) -> Tensor:
        """Disturbed images (N, 3, H, W), normalised as they were.

        Args:
            generators: on the CPU, one an image, see `image_generators`.
            preprocessor: what normalised the images, to RGB; it has buffers `mean` and `std`, of 0 to 255, if it did.
        """
        draws = torch.stack([torch.rand(7, generator=generator) for generator in generators], 1).to(images)  # 7 N
        jittered, blurred = (draws[5] < self.jitter_probability).to(images), (draws[6] < self.blur_probability)
        sway = (2 * draws[:4] - 1) * jittered
        mean = getattr(preprocessor, 'mean', torch.zeros(3)).to(images).view(3, 1, 1) / 255
        std = getattr(preprocessor, 'std', torch.ones(3)).to(images).view(3, 1, 1) / 255
        images = jitter_colours(
            images * std + mean,
            1 + self.brightness * sway[0],
            1 + self.contrast * sway[1],
            1 + self.saturation * sway[2],
            self.hue * sway[3],
        )
        low, high = self.blur
        images = gaussian_blur(images, (low + (high - low) * draws[4]) * blurred, math.ceil(3 * high))
        return (images - mean) / std


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
