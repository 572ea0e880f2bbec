"""VGG16 up to relu4_3, frozen, whose features the perceptual losses compare (Johnson et al.; Section 4.4).

Its weights are ImageNet's where they can be had. Without them: a VGG16 that was trained for something else here, such
as the backbone of scene parsing on streets, of any width; or seeded random filters. Neither was made for style, and
both change what a number of a loss means: compare losses under one loss network only. `PerceptualLoss(relative=True)`
balances content and style for any of them.
"""

import logging
import pickle
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from sw_mmseg.models import PretrainedError, read_checkpoint
from sw_mmseg.models.vgg import TORCHVISION_INDEX, scale_width
from sw_mmseg.models.weights_file import read_tensors

__all__ = ['LossNetwork', 'vgg_features']

LAYERS = {3: 'relu1_2', 8: 'relu2_2', 15: 'relu3_3', 22: 'relu4_3'}  # by index in torchvision's vgg16().features
PLAN = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512)  # 0: pooling
NAMES = {name: index for name, index in TORCHVISION_INDEX.items() if index < max(LAYERS)}  # conv1_1: 0 to conv4_3
WAY_OUT = (
    "give a file of torchvision's vgg16 or a checkpoint of a VGG16 trained here with "
    'model.loss_network.checkpoint=PATH, or take random filters: model.loss_network.checkpoint=None '
    'model.loss.relative=True model.loss.style=2 model.loss.variation=2 (docs/style_transfer.md)'
)


class LossNetwork(nn.Module):
    """N×3×H×W in 0..1 -> features by name.

    Args:
        checkpoint: `torchvision://vgg16` (its hash is checked), an address or a file; `None`: seeded random filters.
        seed: of the random filters.
        width: factor on the channels of random filters; a checkpoint brings its own.

    Raises:
        PretrainedError: the weights cannot be had, or are not those of a VGG16; says what to do instead.
    """

    def __init__(self, checkpoint: str | None = 'torchvision://vgg16', seed: int = 0, width: float = 1.0) -> None:
        super().__init__()
        state = None if checkpoint is None else vgg_features(_read(checkpoint), checkpoint)
        layers, inside = [], 3
        for channels in PLAN:
            if channels == 0:
                layers.append(nn.MaxPool2d(2))
                continue
            outside = scale_width(channels, width) if state is None else len(state[f'{len(layers)}.bias'])
            layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()]
            inside = outside
        self.features = nn.Sequential(*layers)
        self.register_buffer('mean', torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        if state is None:
            self._draw(seed)
        else:
            try:
                self.features.load_state_dict(state)
            except RuntimeError as error:
                raise PretrainedError(f'{checkpoint} is no VGG16: {error}; {WAY_OUT}') from error
        self.requires_grad_(False)

    @torch.no_grad()
    def _draw(self, seed: int) -> None:
        """Random filters whose channels have mean 0 and variance 1 before each ReLU, on pink noise.

        Pictures are smooth, so that a random filter answers to little but brightness and colour; every second filter of
        the first layer therefore sums to 0 over its window, and sees edges alone.
        """
        print_log(f'Loss network: random filters, seed {seed}, no trained VGG16', 'current', logging.WARNING)
        generator = torch.Generator().manual_seed(seed)
        x = pink_noise(4, 64, generator)
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu', generator=generator)
                if layer.in_channels == 3:
                    layer.weight[1::2] -= layer.weight[1::2].mean((2, 3), keepdim=True)
                nn.init.zeros_(layer.bias)
                std, mean = torch.std_mean(layer(x), (0, 2, 3))
                layer.weight /= std.view(-1, 1, 1, 1)
                layer.bias -= mean / std
            x = layer(x)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Layer -> its features, of N×3×H×W images between 0 and 1."""
        x, features = (images - self.mean) / self.std, {}
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in LAYERS:
                features[LAYERS[index]] = x
        return features


def pink_noise(count: int, side: int, generator: torch.Generator) -> Tensor:
    """count×3×side×side of mean 0 and variance 1, with the 1/f spectrum of photographs and mostly grey."""
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None])
    noise = torch.randn(count, 4, side, side, generator=generator)
    noise = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency.clamp_min(1 / side), (side, side))
    noise = noise[:, :1] + 0.5 * noise[:, 1:]
    return (noise - noise.mean()) / noise.std()


def vgg_features(state: dict[str, Tensor], source: str = 'state') -> dict[str, Tensor]:
    """Weights of the ten convolutions by their index in torchvision's `vgg16().features`, '0.weight' to '21.bias'.

    Args:
        state: of torchvision's vgg16 ('features.0.weight'), or of anything that holds a `VGG16DeepLab`
            ('conv1_1.weight', 'norm1.running_var', behind any prefix). A BatchNorm behind a convolution is computed
            into it.
        source: where it is from, for errors.

    Raises:
        PretrainedError: a convolution is missing, or is followed by a norm that is not the same for every picture.
    """
    state = {key.rpartition('features.')[2]: value for key, value in state.items()}
    prefix = next((key[: -len('conv1_1.weight')] for key in state if key.endswith('conv1_1.weight')), None)
    weights = {}
    for name, index in NAMES.items():
        layer = str(index) if prefix is None else prefix + name
        if f'{layer}.weight' not in state or f'{layer}.bias' not in state:
            raise PretrainedError(f'{source} is no VGG16: it has no {layer}.weight and .bias; {WAY_OUT}')
        weight, bias = state[f'{layer}.weight'], state[f'{layer}.bias']
        if prefix is not None and name.endswith('_1') and f'{prefix}norm{name[4]}.weight' in state:
            weight, bias = _with_norm(weight, bias, state, f'{prefix}norm{name[4]}', source)
        weights |= {f'{index}.weight': weight, f'{index}.bias': bias}
    return weights


def _with_norm(weight: Tensor, bias: Tensor, state: dict[str, Tensor], norm: str, source: str) -> tuple[Tensor, Tensor]:
    """A convolution and the BatchNorm behind it (eps 1e-5) as one."""
    if f'{norm}.running_var' not in state:
        raise PretrainedError(
            f'{source}: {norm} is no BatchNorm, and its statistics are those of each picture or its '
            f'channels are mixed; train the loss network with a bn_*.py config; or {WAY_OUT}'
        )
    scale = state[f'{norm}.weight'] / (state[f'{norm}.running_var'] + 1e-5).sqrt()
    return weight * scale.view(-1, 1, 1, 1), (bias - state[f'{norm}.running_mean']) * scale + state[f'{norm}.bias']


def _read(checkpoint: str) -> dict[str, Tensor]:
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise PretrainedError(f'no loss network {checkpoint}; {WAY_OUT}')
    try:
        if '://' in checkpoint:
            return read_checkpoint(checkpoint)
        return read_tensors(checkpoint)
    except (PretrainedError, pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, ValueError) as error:
        text = str(error).split(' (asked for')[0]
        raise PretrainedError(
            f'the weights of the loss network, {checkpoint}, cannot be had: {text}; {WAY_OUT}'
        ) from error
