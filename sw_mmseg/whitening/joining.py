"""What a folded layer joins or becomes: the maps that read channels as it does, and a map of its own in one dimension.

`Conv1d` reads two dimensions as one signal (C, L), where `BatchNorm1d` and SW read samples (N, C). So what a 1-d layer
becomes is a `Conv1d` that reads as the layer does; and behind a `Linear`, whose last dimension is the layer's second in
(N, C) alone, it joins that.
"""

from __future__ import annotations

import copy
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layer import SwitchWhiten, SwitchWhiten1d

__all__ = ['Map', 'SampleConv1d', 'fitting', 'joined']

Map: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear


class SampleConv1d(nn.Conv1d):
    """A convolution of kernel 1 over (N, C, L) that reads two dimensions as samples, (N, C)."""

    def forward(self, input: Tensor) -> Tensor:
        """The shape of the input."""
        if input.dim() == 2:
            return F.conv1d(input.unsqueeze(-1), self.weight, self.bias, groups=self.groups).squeeze(-1)
        return F.conv1d(input, self.weight, self.bias, groups=self.groups)


_PLAIN = (nn.Conv1d, SampleConv1d, nn.Conv2d, nn.Conv3d, nn.Linear)  # whose weight is all there is to them


def fitting(before: nn.Module, layer: nn.Module) -> Map:
    """`before`, if the layer can join it.

    Raises:
        TypeError: `before` is no plain convolution, nor a plain `Linear` in front of a 1-d layer.
        ValueError: the two do not fit, in channels or groups.
    """
    work = before._forward_pre_hooks or before._forward_hooks  # private: torch has no public question for hooks
    if not (type(before) in _PLAIN and isinstance(before, _PLAIN)) or work or 'forward' in vars(before):
        raise TypeError(
            'expects a plain convolution without hooks, or such a Linear before a 1-d layer, got '
            f'{type(before).__name__}: use fold(layer), which stands behind anything'
        )
    if not isinstance(layer, SwitchWhiten):
        raise TypeError(f'expects a switchable layer such as SwitchWhiten2d, got {type(layer).__name__}')
    if isinstance(before, nn.Linear) and not isinstance(layer, SwitchWhiten1d):
        raise TypeError(f'a Linear puts out samples (N, C), which no {type(layer).__name__} takes')
    if isinstance(before, nn.Linear):
        kind, channels, groups = 'Linear', before.out_features, 1
    else:
        kind, channels, groups = 'convolution', before.out_channels, before.groups
    if channels != layer.num_features:
        raise ValueError(f'the {kind} puts out {channels} channels, the layer has {layer.num_features}')
    share = channels // groups
    if share % layer.group_size:
        raise ValueError(
            f'groups of {layer.group_size} channels of the layer reach over groups of {share} of the '
            'convolution, whose product is no grouped convolution: use fold(layer) behind it'
        )
    return before


def joined(before: Map, matrix: Tensor, vector: Tensor) -> Map:
    """A copy of `before` with A (G, D, D) and b (C,) behind it: weight A W and bias A c + b."""
    groups, size, _ = matrix.shape
    folded = copy.deepcopy(before).eval()
    with torch.no_grad():
        weight = matrix @ before.weight.double().reshape(groups, size, -1)
        if folded.bias is None:
            folded.bias = nn.Parameter(torch.zeros_like(vector, dtype=before.weight.dtype))
        else:
            vector = vector + (matrix @ folded.bias.double().view(groups, size, 1)).flatten()
        folded.weight.copy_(weight.view(before.weight.shape))
        folded.bias.copy_(vector)
    return folded
