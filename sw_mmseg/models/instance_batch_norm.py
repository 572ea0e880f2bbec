"""IBN: half of the channels instance-normalised, half batch-normalised (Pan et al., ECCV 2018, IBN-a).

The fixed mixture against which a learned one has to show its worth: `norm_cfg=dict(type='IBN')`. The state of a
BatchNorm loads into its place, as in IBN-Net's own trainings from ImageNet: each half takes its channels.
"""

from collections.abc import MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from sw_mmseg.models.from_whitening import take_variances

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

    def _load_from_state_dict(self, state_dict: MutableMapping[str, Tensor], prefix: str, *arguments: Any) -> None:
        take_variances(state_dict, prefix)
        for name in ('weight', 'bias', 'running_mean', 'running_var'):
            values = state_dict.get(prefix + name)
            if values is None or values.shape != (self.num_features,):
                continue  # the caller names what is missing and what is left over
            first, second = state_dict.pop(prefix + name).split((self.half, self.num_features - self.half))
            state_dict[f'{prefix}batch.{name}'] = second
            if not name.startswith('running'):  # of which the instance half has no use
                state_dict[f'{prefix}instance.{name}'] = first
        if prefix + 'num_batches_tracked' in state_dict:
            state_dict[f'{prefix}batch.num_batches_tracked'] = state_dict.pop(f'{prefix}num_batches_tracked')
        super()._load_from_state_dict(state_dict, prefix, *arguments)
