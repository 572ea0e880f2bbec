"""What the report of an adaptation shows, and its table of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sw_mmseg.analysis import (
    Table,
)
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.own_images.training import Outcome
from sw_mmseg.running.scoring import miou

__all__ = ['Report', 'result_table']


@dataclass(frozen=True)
class Report:
    """All that is shown. `reasons`: (what, value, why); `trainings`: name -> work directory, in the order trained."""

    data: Checked
    outcomes: Sequence[Outcome]
    final: str  # name of the outcome that OUT/checkpoint.pth holds
    reasons: Sequence[tuple[str, str, str]]
    trainings: dict[str, Path]
    pictures: Sequence[dict[str, np.ndarray]]
    commands: Sequence[str]
    notes: Sequence[str] = ()  # what is to be said of the trainings


def result_table(report: Report) -> Table:
    """A row a network: target and source mIoU, and whose running statistics it predicts with."""
    rows = [(o.name, o.target and miou(o.target), o.source and miou(o.source), o.statistics) for o in report.outcomes]
    validation = report.data.target_val
    counts = [
        f'target on {len(validation.names)} images of --target-val'
        if validation
        else 'target unscored: no labels given'
    ]
    counts.append(
        'source unscored: its images are not here'
        if report.data.source is None
        else 'source on images kept apart from training'
        if any(o.source for o in report.outcomes)
        else 'source unscored: too few images to keep some apart'
    )
    if report.data.few:
        networks = 'all' if report.data.source else 'the last one'
        counts.append(f'{networks} trained also on {len(report.data.few.names)} labelled target images of --target-few')
    strong = frozenset(i for i, o in enumerate(report.outcomes) if o.name == report.final)
    return Table(
        ('network', 'target mIoU', 'source mIoU', 'running statistics'),
        tuple(rows),
        f'mIoU in percent; {"; ".join(counts)}. In bold: checkpoint.pth.',
        strong=strong,
    )
