"""What a training step says of itself: fields for hooks, and a mapping of names to values for mmengine.

A method has its own subclasses of both classes here. A hook that reads a field which a method does not have fails, and
so does a method that leaves one out. mmengine sees a mapping: the fields of the main level under their own names, those
of another under `HEAD.NAME`, then the fields of the step. A field that is None was not computed and is not logged.

Losses are unweighted. mmengine's `parse_losses` sums every value whose name contains "loss", so the name of anything
else must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ['LevelLog', 'StepLog', 'TargetLog']

LogT = TypeVar('LogT', bound='StepLog')


@dataclass(frozen=True, eq=False)
class LevelLog:
    """Of one level: the cross-entropy with the source's labels, and the pixel accuracy on them in percent."""

    loss_seg: Tensor
    acc_seg: Tensor


@dataclass(frozen=True, eq=False)
class StepLog(Mapping[str, Tensor]):
    """Of one iteration; values are scalars without history.

    Args:
        levels: what is logged of each level, by the name of its head, the main one first.
    """

    levels: Mapping[str, LevelLog]

    def prefix(self, head: str) -> str:
        """What stands before the names of a level's fields: nothing for the main level, `HEAD.` for another."""
        return '' if head == next(iter(self.levels)) else f'{head}.'

    def log_vars(self) -> dict[str, Tensor]:
        """All values by the names that logs, tables and records know them by."""
        values = {}
        for head, level in self.levels.items():
            values.update({self.prefix(head) + name: value for name, value in _values(level).items()})
        return {**values, **_values(self)}

    def with_values(self: LogT, value_of: Callable[[str], float]) -> LogT:
        """The same log with another value for each name, such as the mean over a window."""

        def again(part: LevelLog | StepLog, prefix: str) -> dict[str, Tensor]:
            return {name: torch.tensor(value_of(prefix + name), dtype=torch.float64) for name in _values(part)}

        levels = {head: replace(level, **again(level, self.prefix(head))) for head, level in self.levels.items()}
        return replace(self, levels=levels, **again(self, ''))

    def __getitem__(self, name: str) -> Tensor:
        return self.log_vars()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.log_vars())

    def __len__(self) -> int:
        return len(self.log_vars())


@dataclass(frozen=True, eq=False)
class TargetLog(StepLog):
    """Of a step that predicts on target images: how many classes the main head sees in the batch. One is a collapse."""

    target_classes: Tensor


def _values(part: LevelLog | StepLog) -> dict[str, Tensor]:
    """The fields of a part that were computed."""
    values = {field.name: getattr(part, field.name) for field in fields(part) if field.name != 'levels'}
    return {name: value for name, value in values.items() if value is not None}
