"""Perceptual losses of Johnson et al. (ECCV 2016), which Section 4.4 trains with: functions, then a thin module.

All are means, so that they do not grow with the picture. Departure: total variation is a mean of squares, not a sum.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn


def gram_matrix(features: Tensor) -> Tensor:
    """N×C×H×W features -> N×C×C products of channels, divided by C·H·W."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(features: Sequence[Tensor], grams: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean squared distance of Gram matrices to the style's (1×C×C each)."""
    return sum(F.mse_loss(gram_matrix(f), gram.expand(len(f), -1, -1)) for f, gram in zip(features, grams, strict=True))


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbours, down plus across, of N×C×H×W pictures."""
    return images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean()


@MODELS.register_module()
class PerceptualLoss(nn.Module):
    """The three losses with their weights, for features of a torchvision-normalised VGG16.

    Args:
        content, style, variation: weights of the losses, at least 0.
    """

    def __init__(self, content: float = 1e5, style: float = 1e10, variation: float = 1e3) -> None:
        super().__init__()
        if min(content, style, variation) < 0:
            raise ValueError(f'weights of losses must be at least 0, got {content}, {style}, {variation}')
        self.content, self.style, self.variation = content, style, variation

    def forward(self, images: Tensor, features: dict[str, Tensor], content: Tensor,
                grams: dict[str, Tensor]) -> dict[str, Tensor]:
        """`features` of the stylised `images`, relu3_3 of the content, Gram matrices of the style by layer."""
        return {'loss_content': self.content * F.mse_loss(features['relu3_3'], content),
                'loss_style': self.style * style_loss([features[k] for k in grams], list(grams.values())),
                'loss_variation': self.variation * total_variation(images)}
