"""Perceptual losses of Johnson et al. (ECCV 2016), which Section 4.4 trains with: functions, then a thin module.

Weights, and where the defaults come from. Johnson's code takes images of 0..255 less their mean, divides Gram
matrices by C·H·W, takes means of squares, and weighs content 1, style 5 and variation 1e-6, the last as half a sum of
squares. Here images are divided by 255 and by ImageNet's standard deviation of about 0.226, together k = 57.6. A
network of convolutions and ReLU, biases aside, scales with its input: content squares are smaller by k² = 3,320, Gram
squares by k⁴. In units of the content weight, style is therefore 5 k² = 1.7e4, and variation, a mean over 4 images
of 3·256² in 0..1, is 0.5e-6 · 255² · 786,432 / k² = 7.7. Only ratios matter to Adam. It is assumed that torchvision's
VGG16 answers as the one that Johnson used does, up to k.

Departures: variation is a mean of squares, so that it does not grow with the image. With `relative`, each loss is
divided by the mean square of what it compares with, which no scale of the features changes: for a loss network that is
not the published VGG16, whose features have some other size, weights of the order of 1 are balanced.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

__all__ = ['PerceptualLoss', 'content_loss', 'gram_matrix', 'style_loss', 'total_variation']


def gram_matrix(features: Tensor) -> Tensor:
    """N×C×H×W features -> N×C×C products of channels, divided by C·H·W; in fp32 at least, also under autocast."""
    with torch.autocast(features.device.type, enabled=False):
        flat = features.flatten(2).to(torch.promote_types(features.dtype, torch.float32))
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def content_loss(features: Tensor, content: Tensor, relative: bool = False) -> Tensor:
    """Mean squared distance of features, N×C×H×W both; `relative` to the mean square of `content`."""
    features, content = features.float(), content.float()
    loss = F.mse_loss(features, content)
    return loss / content.square().mean() if relative else loss


def style_loss(grams: Sequence[Tensor], style: Sequence[Tensor], relative: bool = False) -> Tensor:
    """Sum over layers of the mean squared distance of Gram matrices, N×C×C, to the style's, 1×C×C; `relative` to the
    mean square of the style's."""
    losses = [
        F.mse_loss(gram, target.expand_as(gram)) / (target.square().mean() if relative else 1)
        for gram, target in zip(grams, style, strict=True)
    ]
    return torch.stack(losses).sum()


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbours, down plus across, of N×C×H×W images."""
    images = images.float()
    return images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean()


@MODELS.register_module()
class PerceptualLoss(nn.Module):
    """The three losses with their weights.

    Args:
        content, style, variation: weights of the losses, at least 0.
        relative: content and style are relative, see above.
    """

    def __init__(
        self, content: float = 1.0, style: float = 1.7e4, variation: float = 7.7, relative: bool = False
    ) -> None:
        super().__init__()
        if min(content, style, variation) < 0:
            raise ValueError(f'weights of losses must be at least 0, got {content}, {style}, {variation}')
        self.content, self.style, self.variation, self.relative = content, style, variation, relative

    def forward(
        self, images: Tensor, features: dict[str, Tensor], content: Tensor, grams: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """`features` of the stylised `images`, relu3_3 of the content, Gram matrices of the style by layer."""
        image_grams = [gram_matrix(features[name]) for name in grams]
        return {
            'loss_content': self.content * content_loss(features['relu3_3'], content, self.relative),
            'loss_style': self.style * style_loss(image_grams, list(grams.values()), self.relative),
            'loss_variation': self.variation * total_variation(images),
        }
