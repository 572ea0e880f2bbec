"""IBN: half of the channels instance-normalised, half batch-normalised (Pan et al., ECCV 2018, IBN-a).

The fixed mixture against which a learned one has to show its worth: `norm_cfg=dict(type='IBN')`.
"""

import torch
from torch import Tensor, nn

__all__ = ['InstanceBatchNorm2d']


class InstanceBatchNorm2d(nn.Module):
    """(N, C, H, W) to the same shape: the first C // 2 channels by their image's statistics, the others by the batch's.

    Args:
        num_features: C, at least 2.
        eps: added to every variance.
        momentum: of the batch half's running statistics, in torch's sense.
        affine: whether both halves have a scale and a bias.

    Raises:
        ValueError: `num_features` is below 2.
    """

    _abbr_ = 'bn'  # mmcv's name for it: bn1, bn2, …

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__()
        if num_features < 2:
            raise ValueError(f'IBN splits the channels in two: num_features must be at least 2, got {num_features}')
        self.num_features, self.half = num_features, num_features // 2
        self.instance = nn.InstanceNorm2d(self.half, eps, affine=affine)
        self.batch = nn.BatchNorm2d(num_features - self.half, eps, momentum, affine)

    def forward(self, inputs: Tensor) -> Tensor:
        """Both halves, joined again."""
        first, second = inputs.split((self.half, self.num_features - self.half), 1)
        return torch.cat((self.instance(first), self.batch(second)), 1)
