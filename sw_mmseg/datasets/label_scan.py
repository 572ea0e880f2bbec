"""What two folders hold, looked at before anything is trained: sizes, faults, and what is in the label files.

Every file's head is read (its size, and that it is a picture), and whether it ends as it must; of `decode` files spread
over the folder, or of all, the pixels too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from .class_table import ClassTable
from .errors import DatasetError
from .image_file import white_of
from .label_frames import LabelFrames
from .label_kinds import LabelKinds
from .labels import IGNORE, UNKNOWN
from .once import already_said
from .sample_look import NO_LIMITS, Bands, Limits, Look, Sample, Size, look

__all__ = ['Sample', 'Scan', 'Shares', 'Size', 'class_shares', 'scan', 'usable_cores']

Progress = Callable[[int, int], None]  # done, total


@dataclass
class Scan:
    """What was found. `pixels`: how many of each id, or packed colour, in the label files that were read whole."""

    count: int = 0
    decoded: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)  # name -> what is wrong
    pixels: Counter[int] = field(default_factory=Counter)
    interior: Counter[int] = field(default_factory=Counter)  # of them, those in the midst of their like
    colors: bool = False  # whether the label files hold colours
    notes: list[str] = field(default_factory=list)  # what was decided about the files
    white: float | None = None  # the value of deep images that is white
    bands: Bands | None = None  # of the images, where they were told
    flat: dict[str, str] = field(default_factory=dict)  # name of an image like a drawing of classes -> its kind
    frame: str | None = None  # of labels beside images that EXIF turned: 'shown' or 'stored'


@dataclass(frozen=True)
class Shares:
    """How label files divide among classes: pixels of each class (K,), and the rest."""

    pixels: np.ndarray
    ignored: int
    unknown: dict[int, int]  # id or packed colour -> pixels

    @property
    def total(self) -> int:
        """All pixels."""
        return int(self.pixels.sum()) + self.ignored + sum(self.unknown.values())


def scan(
    samples: Sequence[Sample],
    decode: int | None = 1000,
    colors: bool = False,
    progress: Progress | None = None,
    ids: bool = False,
    limits: Limits = NO_LIMITS,
    bands: Bands | None = None,
) -> Scan:
    """Looks at images and, where there are any, their label files.

    Args:
        samples: see `image_pairs.Pairs`; without a label file for unlabelled images.
        decode: how many to read whole; None for all.
        colors: whether label files are to be taken as colour pictures: the class table has nothing but colours.
        progress: told after each file how many are done, of how many.
        ids: whether the class table has ids.
        limits: pixels that an image must have on its short side, and how many times as long the other may be.
        bands: which bands of the images are red, green and blue, and of how many bands those images are.

    Raises:
        DatasetError: label files contradict each other, or nothing tells which way up they are. What is wrong with
            single files is in `faults`.
    """
    count = len(samples)
    whole = set(range(count)) if decode is None else set(np.linspace(0, count - 1, min(decode, count)).astype(int))
    tally, kinds, frames = Scan(count, bands=bands), LabelKinds(), LabelFrames()
    notes: dict[str, Counter[str]] = {'images': Counter(), 'label files': Counter()}
    deep: list[tuple[float, bool]] = []
    progress = progress or (lambda done, total: None)
    pool = ThreadPoolExecutor(min(8, usable_cores()))
    try:
        looks = pool.map(lambda item: look(item[1], item[0] in whole, limits, bands), enumerate(samples))
        for index, (sample, seen) in enumerate(zip(samples, looks)):
            _add(tally, sample, seen, index in whole)
            if seen.fault is None:
                notes['images'].update(seen.image_notes if seen.peak is None else ())
                notes['label files'].update(seen.label_notes)
                _add_labels(kinds, frames, sample, seen)
                if seen.peak is not None:
                    deep.append((seen.peak, seen.floating))
            progress(index + 1, count)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    _tell(tally, notes)
    _decide(tally, kinds, frames, deep, colors, ids)
    return tally


def class_shares(tally: Scan, table: ClassTable) -> Shares:
    """The values that were found, by class."""
    values = np.array(list(tally.pixels), np.int64)
    pixels = np.array(list(tally.pixels.values()), np.int64)
    classes = table.classes_of(values, tally.colors)
    unknown = classes == UNKNOWN
    if table.ignore_unknown:
        classes, unknown = np.where(unknown, IGNORE, classes), np.zeros_like(unknown)
    return Shares(
        np.array([pixels[classes == k].sum() for k in range(len(table.classes))]),
        int(pixels[classes == IGNORE].sum()),
        dict(zip(values[unknown].tolist(), pixels[unknown].tolist())),
    )


def usable_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _add(tally: Scan, sample: Sample, seen: Look, whole: bool) -> None:
    if seen.fault is not None:
        tally.faults[sample[0]] = seen.fault
        return
    tally.sizes[seen.size] += 1
    tally.decoded += whole
    if seen.flat:
        tally.flat[sample[0]] = seen.flat


def _tell(tally: Scan, notes: dict[str, Counter[str]]) -> None:
    for kind, counts in notes.items():
        tally.notes += [f'{number} {kind}: {note}' for note, number in counts.items()]
        for note in counts:
            already_said(f'{kind}: {note}')


def _add_labels(kinds: LabelKinds, frames: LabelFrames, sample: Sample, seen: Look) -> None:
    if seen.labels is not None:
        kinds.add(sample[2], seen.labels)
    if seen.frame == 'either':
        frames.add_pair(sample[1], seen.edges)
    elif seen.frame:
        frames.add_size(seen.frame)


def _decide(
    tally: Scan, kinds: LabelKinds, frames: LabelFrames, deep: list[tuple[float, bool]], colors: bool, ids: bool
) -> None:
    """What only all files together tell: ids or colours, which way up, and what is white."""
    tally.colors, said = kinds.decide(colors, ids)
    tally.pixels, tally.interior = kinds.pixels(tally.colors), kinds.interior(tally.colors)
    tally.frame, turned = frames.decide()
    tally.notes += [*said, *turned]
    if deep:
        floating = {kind for _, kind in deep}
        if len(floating) > 1:
            raise DatasetError('some images are of floating point and some of 16 bits: write them in one way')
        tally.white = white_of(max(peak for peak, _ in deep), floating.pop(), 'the folder')
        tally.notes.append(
            f'{len(deep)} images are deeper than 8 bits; {tally.white:g} is white: no value is larger '
            f'than {max(peak for peak, _ in deep):g}'
        )
