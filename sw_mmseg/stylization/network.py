"""The transformation network of Johnson et al. with any norm behind every convolution but the last (Section 4.4).

Departures: every convolution pads by reflection and residual blocks keep their size (the original pads once and crops);
the decoder may resize and convolve instead of transposed convolutions, which leaves no checkerboard.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

__all__ = ['Residual', 'Section', 'StyleNetwork', 'block', 'build_norm', 'up']

DECODERS = ('transposed', 'resize')
SMALLEST = 16  # pixels a side that reflection at a quarter of the size can do with


def build_norm(cfg: dict, channels: int) -> nn.Module:
    """A norm of mmengine's registry (BN, IN, IW, SW, ...) for `channels` channels; affine unless told otherwise."""
    return MODELS.build({'affine': True, **({'num_features': channels} | cfg)})


def block(inside: int, outside: int, kernel: int, stride: int, norm_cfg: dict) -> nn.Sequential:
    """Reflection, convolution, norm."""
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, padding_mode='reflect')
    return nn.Sequential(convolution, build_norm(norm_cfg, outside))


class Section(NamedTuple):
    """A part of the network, and how many pixels of its input around one decide what becomes of that one."""

    run: Callable[[Tensor], Tensor]
    module: nn.Module
    halo: int


class Residual(nn.Module):
    """Two 3×3 convolutions beside the identity; nothing behind the sum."""

    def __init__(self, width: int, norm_cfg: dict) -> None:
        super().__init__()
        self.conv1, self.conv2 = block(width, width, 3, 1, norm_cfg), block(width, width, 3, 1, norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        return x + self.conv2(self.conv1(x).relu())


@MODELS.register_module()
class StyleNetwork(nn.Module):
    """N×3×H×W pictures in 0..1 -> the same, stylised; any H and W.

    Args:
        norm_cfg: norm of all sites, e.g. `dict(type='SW')`.
        width: channels of the first convolution, 32 in the paper's network.
        blocks: residual blocks, 5 there.
        decoder: 'transposed' as there, or 'resize'.
    """

    def __init__(self, norm_cfg: dict, width: int = 32, blocks: int = 5, decoder: str = 'transposed') -> None:
        super().__init__()
        if decoder not in DECODERS:
            raise ValueError(f'decoder must be one of {DECODERS}, got {decoder!r}')
        settings = dict(norm_cfg=dict(norm_cfg), width=width, blocks=blocks, decoder=decoder)
        self.register_buffer('settings', torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8))
        self.encoder = nn.Sequential(
            block(3, width, 9, 1, norm_cfg),
            nn.ReLU(),
            block(width, 2 * width, 3, 2, norm_cfg),
            nn.ReLU(),
            block(2 * width, 4 * width, 3, 2, norm_cfg),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*(Residual(4 * width, norm_cfg) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            up(4 * width, 2 * width, decoder, norm_cfg),
            nn.ReLU(),
            up(2 * width, width, decoder, norm_cfg),
            nn.ReLU(),
            nn.Conv2d(width, 3, 9, padding=4, padding_mode='reflect'),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N×3×H×W images between 0 and 1 to stylised ones."""
        height, width = x.shape[-2:]
        x = self.pad(x)
        for section in self.sections():
            x = section.run(x)
        return x[..., :height, :width]

    def pad(self, x: Tensor) -> Tensor:
        """To a multiple of 4 a side, and at least `SMALLEST`, by repeating the last row and column."""
        down, across = (max(SMALLEST, -(-side // 4) * 4) - side for side in x.shape[-2:])
        return F.pad(x, (0, across, 0, down), mode='replicate')

    def sections(self) -> list[Section]:
        """The network in order, cut where an activation is small: at a quarter of the picture's size."""
        return [
            Section(lambda x: self.encoder(2 * x - 1), self.encoder, 8),
            *(Section(block, block, 2) for block in self.blocks),
            Section(lambda x: 0.5 + 0.5 * self.decoder(x).tanh(), self.decoder, 3),
        ]


def up(inside: int, outside: int, decoder: str, norm_cfg: dict) -> nn.Sequential:
    """Twice the size, and half the channels."""
    if decoder == 'resize':
        return nn.Sequential(nn.Upsample(scale_factor=2), *block(inside, outside, 3, 1, norm_cfg))
    return nn.Sequential(nn.ConvTranspose2d(inside, outside, 3, 2, 1, output_padding=1), build_norm(norm_cfg, outside))
