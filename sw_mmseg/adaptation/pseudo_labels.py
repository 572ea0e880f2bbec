"""Pseudo-labels: what a teacher is sure of becomes the target's labels (DACS, Sec. 3.2).

    q_n = share of the pixels of image n whose largest probability exceeds tau

is the weight of all pixels of the image: a network that is sure of little learns little from its own predictions, so
that training from scratch starts by itself on source labels alone. Departure: DACS takes one share for the batch; here
each image has its own, so that it does not matter with which others, or in which process, an image comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

__all__ = ['TargetLabels', 'pixel_weights', 'pseudo_labels', 'weighted_loss']


@dataclass(frozen=True)
class TargetLabels:
    """What a teacher makes of a batch of target images: labels and weights of pixels (N, H, W), shares q (N,)."""

    labels: Tensor
    weights: Tensor
    share: Tensor


def pseudo_labels(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """From logits (N, K, H, W): labels (N, H, W), whether they are confident (N, H, W), and the share q (N,)."""
    logits = logits if logits.dtype.itemsize >= 4 else logits.float()
    probability, labels = logits.softmax(1).max(1)  # N H W
    confident = probability > threshold
    return labels, confident, confident.to(probability.dtype).mean((1, 2))


def pixel_weights(share: Tensor, size: Sequence[int], ignore_rows: tuple[int, int] = (0, 0)) -> Tensor:
    """Weights (N, H, W): an image's share q in each pixel, and 0 in its first and last `ignore_rows`.

    DAFormer leaves out Cityscapes' first rows (rectification) and last rows (the car's own bonnet): the source knows
    neither.
    """
    weights = share[:, None, None].expand(-1, *size).clone()  # N H W
    first, last = ignore_rows
    weights[:, :first] = 0
    weights[:, size[0] - last :] = 0
    return weights


def even_loss(head: BaseDecodeHead, logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the labelled pixels, whatever classes the head's own losses weigh more; 0 without any.

    Args:
        head: the head whose `align_corners` and `ignore_index` count.
        logits: (N, K, h, w) at the head's resolution.
        labels: (N, H, W); the head's `ignore_index` is left out.
    """
    logits = F.interpolate(logits, labels.shape[-2:], mode='bilinear', align_corners=head.align_corners)
    total = F.cross_entropy(logits, labels.long(), ignore_index=head.ignore_index, reduction='sum')
    return total / (labels != head.ignore_index).sum().clamp(min=1)


def weighted_loss(head: BaseDecodeHead, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The losses of an mmseg head, each pixel's multiplied with a weight.

    Args:
        head: the head whose `loss_decode` and `align_corners` count.
        logits: (N, K, h, w) at the head's resolution.
        labels: (N, H, W); the head's `ignore_index` is left out.
        weights: (N, H, W). They do not enter the denominator: half the weight is half the loss.
    """
    logits = F.interpolate(logits, labels.shape[-2:], mode='bilinear', align_corners=head.align_corners)
    losses = head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode]
    return reduce(add, (loss(logits, labels, weight=weights, ignore_index=head.ignore_index) for loss in losses))
