"""Activations like those that a norm meets, without data or weights: drawn images through random convolutions.

The images are "dead leaves": discs of random place, size and colour over one another, sizes distributed as r⁻³. As in
photographs there are edges and occlusion at many scales, and neighbouring pixels and colours correlate; so do the
channels that convolutions make of them, which is what whitening removes. Needs torch alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['draw_images', 'feature_maps']

STAGES = ((16, 7, 2), (32, 3, 1), (64, 3, 2), (128, 3, 2))  # channels, kernel, stride


def draw_images(count: int, size: int, discs: int = 300) -> Tensor:
    """(count, 3, size, size), zero mean and unit variance over all."""
    generator = torch.Generator().manual_seed(0)
    places = (torch.arange(size) + 0.5) / size
    smallest, largest = 0.04, 0.5
    images = torch.zeros(count, 3, size, size)
    for _ in range(discs):
        x, y, u = torch.rand(3, count, 1, 1, generator=generator).unbind()
        radius = (smallest**-2 + u * (largest**-2 - smallest**-2)).rsqrt()  # density r⁻³ between the two
        brightness = torch.rand(count, 1, 1, 1, generator=generator)
        colour = brightness + 0.15 * torch.randn(count, 3, 1, 1, generator=generator)
        inside = (places.view(1, 1, -1) - x).square() + (places.view(1, -1, 1) - y).square() < radius.square()
        images = torch.where(inside.unsqueeze(1), colour, images)
    return (images - images.mean()) / images.std()


def feature_maps(images: Tensor) -> dict[str, Tensor]:
    """What each of four random convolutions puts out, where a norm would stand; BatchNorm and ReLU between them."""
    generator = torch.Generator().manual_seed(1)
    x, maps = images, {}
    for index, (channels, kernel, stride) in enumerate(STAGES, 1):
        fan_in = x.shape[1] * kernel**2
        weight = torch.randn(channels, x.shape[1], kernel, kernel, generator=generator) * (2 / fan_in) ** 0.5
        x = F.conv2d(x, weight.to(x), stride=stride, padding=kernel // 2)
        maps[f'convolution {index}, {channels} channels'] = x
        x = F.relu(nn.BatchNorm2d(channels, affine=False, device=x.device, dtype=x.dtype)(x))
    return maps
