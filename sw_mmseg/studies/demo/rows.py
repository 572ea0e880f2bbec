"""The demo's rows: what was measured of one network after one treatment. One finished row, one file.

A row's file is written last and carries a fingerprint of all it depends on (config, options, data, the package's
code), so that a second call skips what is done and never shows what has become out of date.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sw_mmseg.files import whole_file
from sw_mmseg.running import records

__all__ = [
    'ADVERSARIAL',
    'SELF_TRAINING',
    'SOURCE_ONLY',
    'STATISTICS',
    'SWITCHES',
    'TREATMENTS',
    'Row',
    'read_row',
    'row_file',
    'row_name',
    'write_row',
]

TREATMENTS = ('source only', 'switches learnt again', 'target statistics', 'adversarial', 'self-training')
SOURCE_ONLY, SWITCHES, STATISTICS, ADVERSARIAL, SELF_TRAINING = TREATMENTS


@dataclass
class Row:
    """What was measured of one network after one treatment; IoU in percent, classes in the config's order, Cityscapes'
    seven categories in that of `CATEGORIES`."""

    network: str
    treatment: str
    seed: int
    statistics: str
    target: list[float]
    source: list[float]
    categories: list[float]  # of the target
    seconds: float
    command: str
    ratios: dict[str, float] = field(default_factory=dict)


def row_file(folder: Path, network: str, treatment: str, seed: int) -> Path:
    """Where a row is kept."""
    return folder / 'rows' / f'{row_name(network, treatment, seed)}.json'


def row_name(network: str, treatment: str, seed: int) -> str:
    """'bn_source_only_seed0': of a row's file, and of the folder of its training."""
    return f'{network}_{treatment}_seed{seed}'.replace(' ', '_').replace('-', '_')


def read_row(file: Path, mark: str) -> tuple[Row, list[np.ndarray]] | None:
    """A finished row and its predictions, or `None` if it is missing or out of date."""
    content = records.read_result(file, mark)
    if content is None:
        return None
    with np.load(file.with_suffix('.npz')) as pictures:
        return Row(**content), [pictures[name] for name in sorted(pictures.files)]


def write_row(file: Path, mark: str, row: Row, pictures: list[np.ndarray]) -> None:
    """Predictions first, the row last: where the row is, all is."""
    with whole_file(file.with_suffix('.npz')) as part:
        np.savez_compressed(part, **{f'{index:03d}': picture for index, picture in enumerate(pictures)})
    records.write_result(file, mark, row)
