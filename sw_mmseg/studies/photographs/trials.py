"""A row of the study of choices on photographs: a network of the main study, used or trained in one way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sw_mmseg.running import records, scoring
from sw_mmseg.studies.photographs.cells import Cell

__all__ = ['FOLDER', 'Extent', 'Measured', 'Trial', 'TrialResult', 'result_file', 'stored']

FOLDER = 'choices'  # of results, in the study's work directory
Scores = dict[str, dict[str, list[float]]]  # part of the data -> whose running statistics -> IoU of every class


@dataclass(frozen=True)
class Extent:
    """Which trials there are: seeds, iterations of each training, data, and, of few labels, numbers of labelled
    photographs and methods."""

    seeds: tuple[int, ...]
    iterations: int
    data: tuple[str, ...]
    labels: tuple[int, ...]
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """One row.

    Args:
        part: of the study, see `choices.PARTS`.
        way: what is done, in words: '20 labels', 'blend 0.1', 'self-training'.
        cell: the training of the main study with which it begins, or, of 'few-labels', that it changes.
        amount: the number in `way`, where there is one.
    """

    part: str
    way: str
    cell: Cell
    amount: float | None = None

    @property
    def name(self) -> str:
        """'blend_bn_jitter_streets2camvid_300iterations_seed0_blend0.1'."""
        return '_'.join((self.part, self.cell.name, self.way.replace(', ', '-').replace(' ', '')))


class Measured(NamedTuple):
    """Scores; what it took one core, in seconds: to train or to estimate, or for 'blend' to predict; and the importance
    ratios that it left, if any."""

    scores: Scores
    seconds: float
    ratios: dict[str, float]


@dataclass
class TrialResult:
    """A row, scored on photographs; IoU in percent, NaN for a class that is nowhere; see `Trial` and `Measured`."""

    part: str
    way: str
    amount: float | None
    method: str
    norm: str
    seed: int
    data: str
    iterations: int
    scores: Scores
    classes: list[str]
    processor_seconds: float
    command: str
    ratios: dict[str, float] = field(default_factory=dict)
    device: str = ''

    def miou(self, part: str = 'test', statistics: str = 'trained') -> float:
        """Mean over the classes."""
        return scoring.miou(self.scores[part][statistics])


def result_file(trial: Trial, work_dir: Path) -> Path:
    """Where a trial's result is kept."""
    return work_dir / FOLDER / 'results' / f'{trial.name}.json'


def stored(work_dir: Path) -> list[TrialResult]:
    """Every result of a work directory, those of earlier calls included."""
    every = records.every_result(work_dir / FOLDER).values()
    return [TrialResult(**records.without_fingerprint(content)) for content in every]
