"""Class-balanced pseudo-labels (Zou et al., ECCV 2018, Sec. 4.2): of each class the surest share of its pixels.

One threshold for all classes keeps the easy ones alone. Here each class c has its own, the sureness that a given share
of the pixels labelled c over all images reaches, so that rare classes keep as large a share as common ones.

Sureness is counted in whole levels of -log2(1 - p), fine where p nears 1 and probabilities no longer differ. Levels
are counted for each class, and counts add up: over images, and over processes, in any order, with the same result.

Departure: Zou et al. also divide each probability by its class's threshold before they take the most probable class;
here the label is the network's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    'LEVELS',
    'class_manifest',
    'count_levels',
    'flip_mean',
    'keep_surest',
    'sureness_levels',
    'surest_thresholds',
]

STEPS = 128  # levels to a halving of 1 - p
HALVINGS = 24  # single precision knows no smaller 1 - p
LEVELS = STEPS * HALVINGS + 1


def flip_mean(probabilities: Tensor) -> Tensor:
    """Mean (K, H, W) of an image's probabilities and its mirror's, stacked as (2, K, H, W); the mirror's are turned."""
    return (probabilities[0] + probabilities[1].flip(-1)) / 2


def sureness_levels(probability: Tensor) -> Tensor:
    """Levels, 0 to `LEVELS` - 1 as int64, of probabilities of any shape."""
    halvings = -(1 - probability.float()).clamp(min=2.0**-HALVINGS).log2()
    return (halvings * STEPS).long().clamp(0, LEVELS - 1)


def count_levels(labels: Tensor, levels: Tensor, classes: int) -> Tensor:
    """How many pixels (K, LEVELS) int64 have each label and level; both of one shape, labels in 0 to K - 1."""
    return torch.bincount((labels.long() * LEVELS + levels).flatten(), minlength=classes * LEVELS).view(classes, LEVELS)


def surest_thresholds(counts: Tensor, share: float) -> Tensor:
    """The level (K,) int64 from which on pixels of each class are kept.

    It is the highest that keeps at least `share` of them; a class that is nowhere has `LEVELS`, which none reaches.

    Args:
        counts: (K, LEVELS), of all images.
        share: in (0, 1].
    """
    from_top = counts.flip(1).cumsum(1).flip(1)  # K LEVELS: pixels at a level or above
    enough = (from_top >= share * from_top[:, :1]) & (from_top > 0)
    return enough.sum(1).sub(1).where(counts.sum(1) > 0, LEVELS)


def keep_surest(labels: Tensor, levels: Tensor, thresholds: Tensor, ignore_index: int = 255) -> Tensor:
    """Labels, `ignore_index` where the level is below the threshold of the class."""
    return labels.where(levels >= thresholds[labels.long()], ignore_index)


def class_manifest(counts: Tensor, thresholds: Tensor) -> dict[str, list[int]]:
    """Of each class, for a file: `pixels` labelled so, how many of them are `kept`, and the `thresholds`."""
    kept = (torch.arange(LEVELS) >= thresholds[:, None]) * counts
    return {'pixels': counts.sum(1).tolist(), 'kept': kept.sum(1).tolist(), 'thresholds': thresholds.tolist()}
