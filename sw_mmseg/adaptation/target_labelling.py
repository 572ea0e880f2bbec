"""A segmentor looks at a whole target set: its statistics, and its labels with their sureness.

Images are labelled one at a time, with running statistics, so that a label does not depend on its neighbours, nor on
which process makes it. A process keeps three bytes a pixel of its share until all have counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mmengine.dist import get_dist_info
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from sw_mmseg.adaptation.base import evaluating
from sw_mmseg.adaptation.class_balance import LEVELS, count_levels, flip_mean, sureness_levels
from sw_mmseg.adaptation.estimate import estimate_statistics

__all__ = ['estimate_on', 'label_share', 'label_with_mirror', 'spread']

Found = dict[str, tuple[Tensor, Tensor]]  # by image path: labels (H, W) uint8, levels (H, W) int16


def spread(length: int, count: int) -> list[int]:
    """Indices of at most `count` of `length` things, evenly spread, the first and the last among them."""
    return sorted({round(place) for place in torch.linspace(0, length - 1, min(length, count)).tolist()})


def estimate_on(
    segmentor: nn.Module, preprocessor: nn.Module, samples: Sequence[dict], count: int, batch_size: int
) -> None:
    """Estimates every running statistic of the segmentor anew, on `count` of the samples; the same in every process."""
    chosen = spread(len(samples), count)
    batches = (
        _stacked(samples[index] for index in chosen[first : first + batch_size])
        for first in range(0, len(chosen), batch_size)
    )
    estimate_statistics(
        segmentor, batches, lambda batch: segmentor(preprocessor(batch, False)['inputs'], mode='levels')
    )


@torch.no_grad()
def label_share(segmentor: nn.Module, preprocessor: nn.Module, samples: Sequence[dict]) -> tuple[Found, Tensor]:
    """Labels and levels of this process's share of the samples, and their counts (K, LEVELS), on the CPU."""
    classes = cast(BaseDecodeHead, segmentor.decode_head).num_classes
    predictions: Found = {}
    counts = torch.zeros(classes, LEVELS, dtype=torch.long)
    rank, processes = get_dist_info()
    with evaluating(segmentor):
        for index in range(rank, len(samples), processes):
            batch = preprocessor(_stacked([samples[index]]), False)
            labels, levels = label_with_mirror(segmentor, batch['inputs'])
            counts += count_levels(labels, levels, classes)
            predictions[batch['data_samples'][0].img_path] = labels.to(torch.uint8), levels.to(torch.int16)
    return predictions, counts


def label_with_mirror(segmentor: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and sureness levels (H, W), on the CPU, of one preprocessed image (1, 3, H, W)."""
    logits = segmentor(torch.cat([image, image.flip(-1)]), mode='tensor')
    logits = F.interpolate(
        logits.float(), image.shape[-2:], mode='bilinear', align_corners=bool(segmentor.align_corners)
    )
    probability, labels = flip_mean(logits.softmax(1)).max(0)
    return labels.cpu(), sureness_levels(probability).cpu()


def _stacked(samples: Iterable[dict]) -> dict[str, list]:
    """Packed samples as a data loader gives them."""
    packed = list(samples)
    return {key: [sample[key] for sample in packed] for key in ('inputs', 'data_samples')}
