"""GPU hours and memory of a row of the paper, from a few steps on random images of the row's size; needs torch alone.

Networks are the plain ones of `networks`, images and labels random, and the optimiser is SGD with momentum. Reading and
cropping images, communication between GPUs, validation and logging are not in it: a row takes these hours at least.
A row of domain adaptation has the step of AdaptSegNet: a labelled image, an image without labels, and a discriminator.
"""

from __future__ import annotations

import functools
import gc
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sw_mmseg.benchmark.measure import milliseconds, peak_mib
from sw_mmseg.benchmark.networks import FCN, Classifier, PSPNet, VGG16DeepLab, put_norm
from sw_mmseg.whitening import NORMS

__all__ = ['NORM_WORDS', 'ROWS', 'Cost', 'Row', 'cost_of', 'row_of']


class Row(NamedTuple):
    """A config without its norm: a network, the batch of one GPU, and how long how many of them train."""

    build: Callable[..., nn.Module]  # of a width and a number of classes
    k: int | None  # every k-th convolution has the norm; None for VGG16's groups
    size: tuple[int, int, int]  # batch of a GPU, height, width
    classes: int
    dense: bool  # labels a pixel
    iterations: int
    gpus: int
    target: tuple[int, int] | None = None  # height and width of an image without labels


_R101 = (3, 4, 23, 3)
ROWS = {
    'fcn_ade20k': Row(FCN, 3, (4, 512, 512), 150, True, 150_000, 4),
    'pspnet_ade20k': Row(PSPNet, 3, (4, 512, 512), 150, True, 150_000, 4),
    'pspnet101_ade20k': Row(functools.partial(PSPNet, depths=_R101), 3, (4, 512, 512), 150, True, 150_000, 4),
    'fcn_cityscapes': Row(FCN, 3, (4, 512, 1024), 19, True, 90_000, 4),
    'pspnet_cityscapes': Row(PSPNet, 3, (4, 512, 1024), 19, True, 90_000, 4),
    'adaptsegnet_gta2cityscapes': Row(VGG16DeepLab, None, (1, 720, 1280), 19, True, 150_000, 1, (512, 1024)),
    'resnet50_imagenet': Row(Classifier, 6, (32, 224, 224), 1000, False, 500_500, 8),
    'resnet101_imagenet': Row(functools.partial(Classifier, depths=_R101), 6, (32, 224, 224), 1000, False, 500_500, 8),
}
_OF_LAYERS = {norm: entry.layer for norm, entry in NORMS.items() if entry.switchable}
# First word of a config's name -> the layer at the sites, and which convolutions have one where not every k-th.
NORM_WORDS: dict[str, tuple[Callable[[int], nn.Module], int | None]] = {
    **{norm: (layer, None) for norm, layer in _OF_LAYERS.items() if layer is not None},
    'bn': (nn.BatchNorm2d, None),
    'sw7': (_OF_LAYERS['sw'], 6),
    'sw7eigh': (functools.partial(_OF_LAYERS['sw'], inverse_sqrt='eigh'), 6),
    'bw7eigh': (functools.partial(_OF_LAYERS['bw'], inverse_sqrt='eigh'), 6),
}


class Cost(NamedTuple):
    """Of a row on one device: median milliseconds a step, MiB at the peak of one GPU, and GPU hours of all of it."""

    time: float
    memory: float
    hours: float


class Adaptation(nn.Module):
    """AdaptSegNet's losses of one step, the discriminator's among them, so that one backward reaches all."""

    def __init__(self, network: VGG16DeepLab, classes: int) -> None:
        super().__init__()
        channels = (classes, 64, 128, 256, 512)
        layers = [
            layer
            for before, after in zip(channels, channels[1:])
            for layer in (nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True))
        ]
        self.network, self.discriminator = network, nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 2, 1))

    def forward(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """The sum of the segmentation, adversarial and discriminator losses."""
        maps = [
            F.interpolate(self.network.logits(batch), batch.shape[2:], mode='bilinear') for batch in (images, target)
        ]
        source, other = (logits.softmax(1) for logits in maps)
        deceived = _domain_loss(self.discriminator(other), 0.0)
        told = [
            _domain_loss(self.discriminator(part.detach()), domain) for part, domain in ((source, 0.0), (other, 1.0))
        ]
        return F.cross_entropy(maps[0], labels) + 0.001 * deceived + sum(told) / 2


def row_of(config: str) -> tuple[str, Row, str]:
    """The row's name, the row, and the first word of a config's name or path. Raises `ValueError` for another."""
    norm, _, name = Path(config).stem.partition('_')
    if name not in ROWS or norm not in NORM_WORDS:
        raise ValueError(
            f'{config} has no cost here: a name is NORM_ROW, with NORM of {", ".join(NORM_WORDS)} '
            f'and ROW of {", ".join(ROWS)}'
        )
    return name, ROWS[name], norm


def cost_of(row: Row, norm: str, device: str, steps: int, width: float = 1.0, shrink: int = 1) -> Cost:
    """From `steps` steps after two that do not count; `shrink` divides the sides of the images."""
    gc.collect()
    memory = peak_mib(lambda: _step_of(row, norm, device, width, shrink), device)
    step = _step_of(row, norm, device, width, shrink)
    times = [milliseconds(step, device) for _ in range(steps + 2)][2:]
    time = statistics.median(times)
    return Cost(time, memory, time / 3.6e6 * row.iterations * row.gpus)


def _step_of(row: Row, norm: str, device: str, width: float, shrink: int) -> Callable[[], None]:
    torch.manual_seed(0)
    layer, k = NORM_WORDS[norm]
    network = row.build(width, row.classes)
    if norm != 'bn':
        put_norm(network, layer, row.k if k is None else k)
    batch, height, length = row.size[0], row.size[1] // shrink, row.size[2] // shrink
    inputs = [torch.randn(batch, 3, height, length, device=device)]
    inputs.append(torch.randint(row.classes, (batch, height, length) if row.dense else (batch,), device=device))
    if row.target is not None and isinstance(network, VGG16DeepLab):
        network = Adaptation(network, row.classes)
        inputs.append(torch.randn(batch, 3, row.target[0] // shrink, row.target[1] // shrink, device=device))
    network = network.to(device).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        network(*inputs).backward()
        optimiser.step()

    return step


def _domain_loss(logits: Tensor, domain: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))
