"""What two folders hold, looked at before anything is trained: sizes, faults, and what is in the label files.

Every file's head is read (its size, and that it is a picture); of `decode` files spread over the folder, or of all, the
pixels too.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from .class_table import ClassTable
from .errors import DatasetError
from .label_pixels import pack_colors, read_label_pixels
from .labels import IGNORE, UNKNOWN
from .loading import LoadImage

Size = tuple[int, int]  # width, height
Sample = tuple[str, str, str | None]  # name, image, label file or None
Progress = Callable[[int, int], None]  # done, total


@dataclass
class Scan:
    """What was found. `pixels`: how many of each id, or packed colour, in the label files that were read whole."""

    count: int = 0
    decoded: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)  # name -> what is wrong
    pixels: Counter[int] = field(default_factory=Counter)
    id_files: int = 0
    color_files: int = 0

    @property
    def colors(self) -> bool:
        """Whether the label files hold colours."""
        return self.color_files > self.id_files


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
    samples: Sequence[Sample], decode: int | None = 1000, colors: bool = False, progress: Progress | None = None
) -> Scan:
    """Looks at images and, where there are any, their label files.

    Args:
        samples: see `image_pairs.Pairs`; without a label file for unlabelled images.
        decode: how many to read whole; None for all.
        colors: whether grey and paletted label files are to be taken as colour pictures.
        progress: told after each file how many are done, of how many.

    Raises:
        DatasetError: some label files hold ids and some colours. What is wrong with single files is in `faults`.
    """
    count = len(samples)
    whole = set(range(count)) if decode is None else set(np.linspace(0, count - 1, min(decode, count)).astype(int))
    found = Scan(count)
    pool = ThreadPoolExecutor(min(8, usable_cores()))
    try:
        looks = pool.map(lambda item: look(item[1], item[0] in whole, colors), enumerate(samples))
        for index, (sample, (size, fault, values)) in enumerate(zip(samples, looks)):
            if fault is not None:
                found.faults[sample[0]] = fault
            else:
                found.sizes[size] += 1
                found.decoded += index in whole
            if values is not None:
                found.color_files += values[0]
                found.id_files += not values[0]
                found.pixels.update(values[1])
            if progress:
                progress(index + 1, count)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if found.color_files and found.id_files:
        raise DatasetError(f'{found.color_files} label files hold colours and {found.id_files} hold ids; they must all '
                           'be of one kind')
    return found


def look(sample: Sample, whole: bool, colors: bool) -> tuple[Size | None, str | None, tuple | None]:
    """Size of a sample, what is wrong with it, and (colours or ids, pixels by value) of its label file."""
    _, image, label = sample
    try:
        size = _size(image)
        if whole:
            pixels = LoadImage()({'img_path': image})['img']
            size = pixels.shape[1], pixels.shape[0]
        if label is None:
            return size, None, None
        if not whole:
            same, values = sorted(_size(label)) == sorted(size), None  # a camera's turned pictures swap sides
        else:
            array = read_label_pixels(label, colors)
            same, values = array.shape[:2] == size[::-1], _count(array)
        if not same:
            other = _size(label)
            return size, f'{label} is {other[0]}x{other[1]}, its image {image} {size[0]}x{size[1]}', None
        return size, None, values
    except DatasetError as error:
        return None, str(error), None


def class_shares(found: Scan, table: ClassTable) -> Shares:
    """The values that were found, by class."""
    values = np.array(list(found.pixels), np.int64)
    pixels = np.array(list(found.pixels.values()), np.int64)
    classes = table.classes_of(values, found.colors)
    unknown = classes == UNKNOWN
    return Shares(
        np.array([pixels[classes == k].sum() for k in range(len(table.classes))]),
        int(pixels[classes == IGNORE].sum()),
        dict(zip(values[unknown].tolist(), pixels[unknown].tolist())),
    )


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _size(path: str) -> Size:
    try:
        with Image.open(path) as picture:
            return picture.size
    except Exception as error:  # Pillow raises almost anything on a damaged file
        empty = os.path.isfile(path) and os.path.getsize(path) == 0
        raise DatasetError(f'{path} cannot be read ({"the file is empty" if empty else error})') from error


def _count(array: np.ndarray) -> tuple[bool, dict[int, int]]:
    is_color = array.ndim == 3
    values, counts = np.unique(pack_colors(array) if is_color else array, return_counts=True)
    return is_color, dict(zip(values.tolist(), counts.tolist()))
