"""What a step of class-balanced self-training logs, and where the labels of its rounds stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sw_mmseg.adaptation.step_log import LevelLog, StepLog

__all__ = ['ClassBalancedLevelLog', 'ClassBalancedLog', 'PseudoLabelError', 'RoundFiles']


class PseudoLabelError(RuntimeError):
    """Pseudo-labels that a round needs are missing, or belong to another."""


class RoundFiles(Protocol):
    """Where the labels of a round stay until the next, see `engine/pseudo_label_files.py`."""

    def start(self, number: int) -> None:
        """Begins a round; what there was of it no longer counts."""

    def write(self, number: int, image_path: str, labels: Tensor) -> None:
        """Keeps the labels (H, W) of an image."""

    def finish(self, number: int, manifest: dict) -> None:
        """Declares a round whole."""

    def read(self, number: int, image_path: str) -> Tensor:
        """Labels (H, W) int64 of an image."""


@dataclass(frozen=True, eq=False)
class ClassBalancedLevelLog(LevelLog):
    """Of one level: in a round, the loss on target images."""

    loss_target: Tensor | None


@dataclass(frozen=True, eq=False)
class ClassBalancedLog(StepLog):
    """Of one iteration; in a round, the share of target pixels with a label, and the batch's number of such classes."""

    levels: Mapping[str, ClassBalancedLevelLog]
    pseudo_share: Tensor | None
    pseudo_classes: Tensor | None
