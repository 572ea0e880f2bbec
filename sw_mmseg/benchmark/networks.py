"""Plain networks to time norms in: a ResNet50 classifier, PSPNet on it, DeepLab-v2 on VGG16. Needs torch alone.

Layouts of the paper's Sections 4.1 (ResNet50), 4.2 (PSPNet: output stride 8, pyramid bins 1, 2, 3, 6, an auxiliary
head) and 4.3 (VGG16: five groups, the fifth dilated, fc6 and fc7 as convolutions, four dilated classifiers). Every
forward takes images and labels and returns the loss, so that a step is all there is. Weights are random. `width` is a
factor on every channel count, rounded to multiples of 16, the group size of whitening; 1 is the published network.

Departure: PSPNet's ResNet has the usual 7x7 stem, where its authors' has three 3x3 convolutions.
"""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sw_mmseg.whitening import every, place_norm

__all__ = ['Bottleneck', 'Classifier', 'FCN', 'PSPNet', 'ResNet50', 'VGG16DeepLab', 'put_norm', 'scaled']

VGG_GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def scaled(channels: int, width: float) -> int:
    """`channels * width`, rounded to a multiple of 16, at least 16."""
    return max(16, round(channels * width / 16) * 16)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 to four times the channels, and a projection where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = None
        if stride > 1 or in_channels != 4 * channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False), nn.BatchNorm2d(4 * channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×4C×H/s×W/s."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet50(nn.Module):
    """Images to the maps of its last two stages; `dilated` keeps both at an eighth of the image. 23 for the third of
    the `depths` makes a ResNet101."""

    def __init__(self, width: float = 1.0, dilated: bool = False, depths: tuple[int, ...] = (3, 4, 6, 3)) -> None:
        super().__init__()
        stem = scaled(64, width)
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        in_channels = stem
        strides, dilations = ((1, 2, 1, 1), (1, 1, 2, 4)) if dilated else ((1, 2, 2, 2), (1, 1, 1, 1))
        for stage, (blocks, stride, dilation) in enumerate(zip(depths, strides, dilations)):
            channels, layers = scaled(64 * 2**stage, width), []
            for block in range(blocks):
                layers.append(Bottleneck(in_channels, channels, stride if block == 0 else 1, dilation))
                in_channels = 4 * channels
            self.add_module(f'layer{stage + 1}', nn.Sequential(*layers))
        self.out_channels = (in_channels // 2, in_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of the third and the fourth stage, at an eighth of the size."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        x = self.layer3(self.layer2(self.layer1(x)))
        return x, self.layer4(x)


class Classifier(nn.Module):
    """ResNet50 and a linear layer. Labels (N,)."""

    def __init__(self, width: float = 1.0, classes: int = 1000, depths: tuple[int, ...] = (3, 4, 6, 3)) -> None:
        super().__init__()
        self.backbone = ResNet50(width, depths=depths)
        self.fc = nn.Linear(self.backbone.out_channels[1], classes)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The cross entropy of N×3×H×W images with N labels."""
        return F.cross_entropy(self.fc(self.backbone(images)[1].mean((2, 3))), labels)


class PSPNet(nn.Module):
    """Dilated ResNet50, pyramid pooling, and the auxiliary head at 0.4. Labels (N, H, W), as large as the images."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 19,
        bins: tuple[int, ...] = (1, 2, 3, 6),
        depths: tuple[int, ...] = (3, 4, 6, 3),
    ) -> None:
        super().__init__()
        self.backbone = ResNet50(width, True, depths)
        third, fourth = self.backbone.out_channels
        hidden = scaled(512, width)
        self.pyramid = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), *_block(fourth, hidden, 1)) for size in bins
        )
        self.head = nn.Sequential(
            *_block(fourth + len(bins) * hidden, hidden, 3), nn.Dropout2d(0.1), nn.Conv2d(hidden, classes, 1)
        )
        self.auxiliary = nn.Sequential(
            *_block(third, hidden // 2, 3), nn.Dropout2d(0.1), nn.Conv2d(hidden // 2, classes, 1)
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The cross entropy of N×3×H×W images with N×H×W labels, with the auxiliary head."""
        third, fourth = self.backbone(images)
        pooled = [F.interpolate(branch(fourth), fourth.shape[2:], mode='bilinear') for branch in self.pyramid]
        logits = self.head(torch.cat([fourth, *pooled], 1))
        return _pixel_loss(logits, labels) + 0.4 * _pixel_loss(self.auxiliary(third), labels)


class FCN(nn.Module):
    """Dilated ResNet50, two 3x3 convolutions of whose 512 channels the classes are made, and the auxiliary head."""

    def __init__(self, width: float = 1.0, classes: int = 19) -> None:
        super().__init__()
        self.backbone = ResNet50(width, dilated=True)
        third, fourth = self.backbone.out_channels
        hidden = scaled(512, width)
        self.first, self.second = (nn.Sequential(*_block(size, hidden, 3)) for size in (fourth, hidden))
        self.head = nn.Sequential(*_block(fourth + hidden, hidden, 3), nn.Dropout2d(0.1), nn.Conv2d(hidden, classes, 1))
        self.auxiliary = nn.Sequential(
            *_block(third, hidden // 2, 3), nn.Dropout2d(0.1), nn.Conv2d(hidden // 2, classes, 1)
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """As `PSPNet.forward`."""
        third, fourth = self.backbone(images)
        logits = self.head(torch.cat([fourth, self.second(self.first(fourth))], 1))
        return _pixel_loss(logits, labels) + 0.4 * _pixel_loss(self.auxiliary(third), labels)


class VGG16DeepLab(nn.Module):
    """DeepLab-v2 on VGG16, with a BatchNorm behind the first convolution of each group. Labels as PSPNet's."""

    def __init__(self, width: float = 1.0, classes: int = 19, dilations: tuple[int, ...] = (6, 12, 18, 24)) -> None:
        super().__init__()
        in_channels = 3
        for group, (channels, size) in enumerate(VGG_GROUPS, 1):
            channels, dilation = scaled(channels, width), 2 if group == 5 else 1
            for index in range(1, size + 1):
                self.add_module(f'conv{group}_{index}', _convolution(in_channels, channels, dilation))
                if index == 1:
                    self.add_module(f'norm{group}', nn.BatchNorm2d(channels))
                in_channels = channels
        hidden = scaled(1024, width)
        self.fc6, self.fc7 = _convolution(in_channels, hidden, 4), _convolution(hidden, hidden, 4)
        self.classifiers = nn.ModuleList(_convolution(hidden, classes, dilation) for dilation in dilations)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The cross entropy of N×3×H×W images with N×H×W labels."""
        return _pixel_loss(self.logits(images), labels)

    def logits(self, images: Tensor) -> Tensor:
        """N×classes at an eighth of the size."""
        x = images
        for group, (_, size) in enumerate(VGG_GROUPS, 1):
            x = getattr(self, f'norm{group}')(getattr(self, f'conv{group}_1')(x))
            for index in range(2, size + 1):
                x = getattr(self, f'conv{group}_{index}')(F.relu(x, inplace=True))
            x = F.relu(x, inplace=True)
            x = F.max_pool2d(x, 2) if group <= 3 else x
        x = F.relu(self.fc7(F.relu(self.fc6(x), inplace=True)), inplace=True)
        return functools.reduce(torch.add, (classifier(x) for classifier in self.classifiers))


def put_norm(network: nn.Module, make_norm: Callable[[int], nn.Module], k: int | None) -> int:
    """`make_norm` at the paper's sites, in place; returns how many there are.

    They are the first and every k-th convolution of the backbone without its last stage; where `k` is None, the first
    of each of VGG16's groups.
    """
    if k is None:
        return len(place_norm(network, [f'conv{group}_1' for group in range(1, 6)], make_norm))
    return len(place_norm(network.backbone, every(k, exclude=['layer4']), make_norm))


def _block(in_channels: int, channels: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]


def _convolution(in_channels: int, channels: int, dilation: int) -> nn.Conv2d:
    """3x3 of unchanged size, with a start (He, fan in) that does not fade over ten layers without a norm."""
    convolution = nn.Conv2d(in_channels, channels, 3, padding=dilation, dilation=dilation)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity='relu')
    return convolution


def _pixel_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(F.interpolate(logits, labels.shape[1:], mode='bilinear'), labels)
