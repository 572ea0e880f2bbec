"""What a step of self-training logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from sw_mmseg.adaptation.step_log import LevelLog, StepLog

__all__ = ['SelfTrainingLevelLog', 'SelfTrainingLog']


@dataclass(frozen=True, eq=False)
class SelfTrainingLevelLog(LevelLog):
    """Of one level: the losses on mixed images and, with masking, on masked ones."""

    loss_mix: Tensor
    loss_mask: Tensor | None


@dataclass(frozen=True, eq=False)
class SelfTrainingLog(StepLog):
    """Of one iteration: mean of the shares q, number of classes in the batch's pseudo-labels, and the feature distance
    where there is one."""

    levels: Mapping[str, SelfTrainingLevelLog]
    pseudo_share: Tensor
    pseudo_classes: Tensor
    loss_features: Tensor | None
