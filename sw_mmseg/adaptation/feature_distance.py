"""Feature distance to the start (DAFormer, Sec. 3.3): what ImageNet taught of things is not to be unlearnt.

    L_FD = mean over pixels of thing classes of ||F_0(x_s) - F(x_s)||_2

F is the last map of the backbone and F_0 that of the backbone as it was initialised. ImageNet shows things (vehicles,
people), hardly any stuff (road, sky), so that only pixels count of which one thing class fills most.
"""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['FeatureDistance', 'things']

CITYSCAPES_THINGS = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)  # lights, signs, people, vehicles


class FeatureDistance(nn.Module):
    """A copy of a backbone at its start, and the distance of the trained one to it.

    Args:
        backbone: the one that is trained; it is copied.
        weight: of the loss.
        classes: indices of the thing classes.
        min_share: share of a feature's area that one class has to exceed.
    """

    def __init__(
        self,
        backbone: nn.Module,
        weight: float = 0.005,
        classes: Sequence[int] = CITYSCAPES_THINGS,
        min_share: float = 0.75,
    ) -> None:
        super().__init__()
        if weight < 0 or not classes or not 0 <= min_share < 1:
            raise ValueError(
                'feature_distance needs weight >= 0, some classes, and min_share in [0, 1); got '
                f'{weight}, {classes}, {min_share}'
            )
        self.weight, self.classes, self.min_share = weight, tuple(classes), min_share
        self.start = copy.deepcopy(backbone).requires_grad_(False).eval()

    def start_at(self, backbone: nn.Module) -> None:
        """Takes the weights of `backbone` for the start: call it when they were initialised."""
        self.start.load_state_dict(backbone.state_dict())

    def train(self, mode: bool = True) -> 'FeatureDistance':
        """Stays in eval mode, whatever the model around it does."""
        return super().train(False)

    def forward(self, images: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Unweighted L_FD of images (N, 3, H, W) with features (N, C, h, w) and labels (N, H, W); 0 without things."""
        with torch.no_grad():
            reference = self.start(images)[-1]
        distance = torch.linalg.vector_norm((features - reference).float(), dim=1)  # N h w
        mask = things(labels, features.shape[-2:], self.classes, self.min_share).to(distance)
        return (distance * mask).sum() / mask.sum().clamp(min=1)


def things(labels: Tensor, size: Sequence[int], classes: Sequence[int], min_share: float) -> Tensor:
    """Where one of `classes` fills more than `min_share` of the area: labels (N, H, W) to bool (N, h, w)."""
    present = torch.stack([labels == index for index in classes], dim=1).float()  # N K H W
    height, width = size
    return (F.adaptive_avg_pool2d(present, (height, width)) > min_share).any(1)
