"""Methods that supervise and adapt the outputs of several heads: levels, their losses, and their names in the log.

DeepLab-v2 on VGG16 has one level; on ResNet101 two, the last two stages (AdaptSegNet's "multi level"). A method adds
the weights of its own losses to `Level` and a `train_step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor

from sw_mmseg.adaptation.base import DomainAdaptation, Maps
from sw_mmseg.adaptation.settings import AdaptationSettings

__all__ = ['Level', 'LevelLosses', 'MultiLevelAdaptation']


@dataclass(frozen=True)
class Level:
    """One level at which outputs are supervised: a head's name and the weights of its losses."""

    head: str
    lambda_seg: float = 1.0


@dataclass(frozen=True)
class LevelLosses:
    """One kind of loss, of every level.

    Args:
        total: the sum with the levels' weights, which is learnt from.
        values: unweighted and without history, by head.
        watched: what was measured beside the loss, such as an accuracy, by head.
    """

    total: Tensor
    values: Mapping[str, Tensor]
    watched: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls, losses: Mapping[str, Tensor], weights: Mapping[str, float], watched: Mapping[str, Tensor] | None = None
    ) -> LevelLosses:
        """Of the losses of one forward and the levels' weights, by head."""
        return cls(
            total=reduce(add, (weights[head] * loss for head, loss in losses.items())),
            values={head: loss.detach() for head, loss in losses.items()},
            watched={head: value.detach() for head, value in (watched or {}).items()},
        )


class MultiLevelAdaptation(DomainAdaptation):
    """Base of the methods with levels.

    Args:
        settings: what all methods are told; `levels` are arguments of the class's `level_type`.
    """

    level_type: type[Level] = Level
    levels: Sequence[Level]

    def __init__(self, settings: AdaptationSettings) -> None:
        super().__init__(settings)
        self.levels = [self.level_type(**level) for level in settings.levels]
        names, heads = [level.head for level in self.levels], self.heads()
        if len(set(names)) != len(names) or set(names) != set(heads):
            raise ValueError(f'levels must name each head of the segmentor once: heads {list(heads)}, levels {names}')

    def segmentation_loss(self, logits: Maps, data_samples: list) -> LevelLosses:
        """sum_i lambda_seg_i CE(S_i(x_s), y_s), from logits at feature resolution; pixel accuracies beside it."""
        losses, accuracies = {}, {}
        for level in self.levels:
            losses[level.head], accuracies[level.head] = self.supervised_loss(
                logits[level.head], data_samples, level.head
            )
        return LevelLosses.of(losses, {level.head: level.lambda_seg for level in self.levels}, accuracies)

    def upsampled(self, logits: Maps, images: Tensor) -> Maps:
        """Logits at the size of the images; channels lie last in memory, which is what softmax likes."""
        heads, size = self.heads(), images.shape[-2:]
        return {
            name: F.interpolate(
                value.contiguous(memory_format=torch.channels_last),
                size,
                mode='bilinear',
                align_corners=heads[name].align_corners,
            )
            for name, value in logits.items()
        }

    def classes_seen(self, logits: Maps) -> Tensor:
        """How many classes the main head sees in a batch: a scalar. At one, predictions have collapsed."""
        main = logits[self.levels[0].head].detach()
        labels = main.argmax(1)
        return labels.new_zeros(main.shape[1], dtype=torch.float32).index_fill_(0, labels.flatten(), 1.0).sum()
