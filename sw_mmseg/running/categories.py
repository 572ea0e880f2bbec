"""IoU of groups of classes: a pixel counts as right where its class is of the right group.

A network that takes a bus for a truck has found a vehicle. Where many classes are rare, groups say what it does know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmseg.structures import SegDataSample

__all__ = ['GroupScore']


class GroupScore:
    """Shown predictions one by one, as `scoring.test` does; then `iou` of every group, in percent, NaN where absent.

    Args:
        groups: name -> names of its classes; a class is in one group.
        classes: names by id. Other ids in labels are left out.

    Raises:
        ValueError: a class of `classes` is in no group, or in two.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], classes: Sequence[str]) -> None:
        places = {name: number for number, members in enumerate(groups.values()) for name in members}
        if sum(map(len, groups.values())) != len(places) or set(classes) - set(places):
            raise ValueError(f'each of {", ".join(classes)} must be in one group')
        self.group_of = torch.tensor([places[name] for name in classes])
        self.counts = torch.zeros(len(groups), len(groups), dtype=torch.long)  # truth, prediction

    def __call__(self, sample: SegDataSample) -> None:
        """Counts a sample's `pred_sem_seg` against its `gt_sem_seg`."""
        truth, predicted = (getattr(sample, key).data.squeeze(0).cpu().long() for key in ('gt_sem_seg', 'pred_sem_seg'))
        known, groups = truth < len(self.group_of), len(self.counts)
        cells = self.group_of[truth[known]] * groups + self.group_of[predicted[known]]
        self.counts += torch.bincount(cells, minlength=groups * groups).view(groups, groups)

    @property
    def iou(self) -> list[float]:
        """Percent, in the order of the groups."""
        counts = self.counts.numpy().astype(float)
        both = np.diag(counts)
        with np.errstate(invalid='ignore'):
            return (100 * both / (counts.sum(0) + counts.sum(1) - both)).tolist()
