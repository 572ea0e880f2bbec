"""Whether a folder's label files hold ids or colours, which single files cannot always tell.

A paletted file has both, and so has an RGB picture in which every pixel is grey. What all files together say decides:
one that is really coloured makes them all colours, and so do palettes that are numbered anew in every file. What
remains uncertain is refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from .errors import DatasetError
from .label_file import LabelFile
from .label_pixels import count_values, pack_colors, unpack_color

__all__ = ['LabelCounts', 'LabelKinds', 'count_label']


@dataclass(frozen=True)
class LabelCounts:
    """Pixels of one label file by value (id, index or packed colour), and by packed colour (None: it has none)."""

    kind: str
    values: dict[int, int]
    colors: dict[int, int] | None
    inner: dict[int, int]  # of `values`: pixels whose four neighbours have the same value
    inner_colors: dict[int, int]  # of `colors`, likewise
    palette: dict[int, int] = field(default_factory=dict)  # index in use -> packed colour
    places: dict[int, frozenset[int]] = field(default_factory=dict)  # packed colour in use -> its indices
    bits: int = 8


def count_label(label_file: LabelFile) -> LabelCounts:
    """What is counted of a label file."""
    packed = pack_colors(label_file.values) if label_file.kind == 'colours' else label_file.values
    values = count_values(packed)
    inner = count_values(packed[_inner(packed)])
    bits = label_file.head.bits if label_file.head and label_file.head.bits < 8 and label_file.kind == 'ids' else 8
    if label_file.kind == 'palette':
        colors = pack_colors(label_file.palette).tolist()
        used = {index: colors[index] if index < len(colors) else 0 for index in values}
        places = {color: frozenset(i for i, c in enumerate(colors) if c == color) for color in used.values()}
        return LabelCounts('palette', values, _renamed(values, used), inner, _renamed(inner, used), used, places)
    if label_file.kind == 'colours':
        return LabelCounts('colours', values, values, inner, inner)
    if label_file.values.dtype != np.uint8:
        return LabelCounts(label_file.kind, values, None, inner, {}, bits=bits)
    greys = {value: value * 0x010101 for value in values}
    return LabelCounts(label_file.kind, values, _renamed(values, greys), inner, _renamed(inner, greys), bits=bits)


class LabelKinds:
    """Adds up the label files of a folder, and decides what they hold."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.examples: dict[str, str] = {}  # kind -> its first file
        self.values: dict[str, Counter[int]] = defaultdict(Counter)
        self.colors: dict[str, Counter[int]] = defaultdict(Counter)
        self.inner: Counter[int] = Counter()
        self.inner_colors: Counter[int] = Counter()
        self.indices: dict[int, dict[int, str]] = defaultdict(dict)  # index -> packed colour -> a file
        self.places: dict[int, tuple[frozenset[int], str]] = {}  # packed colour -> indices common to all files
        self.moved: dict[int, tuple[str, str]] = {}  # packed colour whose index differs -> two files
        self.depths: dict[int, tuple[int, str]] = {}  # bits -> largest id, a file
        self.colorless: str | None = None  # a file whose ids are no 8-bit greys

    def add(self, path: str, counts: LabelCounts) -> None:
        """One more file."""
        self.files[counts.kind] += 1
        self.examples.setdefault(counts.kind, path)
        self.values[counts.kind].update(counts.values)
        self.inner.update(counts.inner)
        self.inner_colors.update(counts.inner_colors)
        if counts.colors is None:
            self.colorless = self.colorless or path
        else:
            self.colors[counts.kind].update(counts.colors)
        for index, color in counts.palette.items():
            self.indices[index].setdefault(color, path)
        for color, places in counts.places.items():
            before, first = self.places.get(color, (places, path))
            if not before & places:
                self.moved.setdefault(color, (first, path))
            self.places[color] = before & places or before, first
        largest = max(counts.values, default=0)
        if counts.kind == 'ids' and largest > self.depths.get(counts.bits, (0, ''))[0]:
            self.depths[counts.bits] = largest, path

    def decide(self, colors: bool = False, ids: bool = False) -> tuple[bool, list[str]]:
        """Whether the files hold colours, and what there is to say about it.

        Args:
            colors: the class table has colours alone.
            ids: the class table has ids.

        Raises:
            DatasetError: some files hold ids and some colours, or palettes contradict each other.
        """
        if self.colorless and (colors or self.files['colours']):
            self._refuse_mixture(self.colorless)
        if colors:
            return True, []
        if self.files['colours']:
            return True, self._colours()
        self._check_depths()
        shifted = [index for index, meanings in self.indices.items() if len(meanings) > 1]
        if not shifted:
            return False, []
        text = self._palettes(shifted[0])
        if self.moved and ids:
            raise DatasetError(
                f'{text}: colours are numbered anew in every file, so that ids of a class table mean '
                'nothing in them. Give its classes their colours in place of ids'
            )
        if ids:
            return False, [f'{text}; indices are taken, as the class table has ids']
        if not self.moved:
            raise DatasetError(
                f'{text}: are the indices the classes, or the colours? A class table says it, '
                '--classes FILE: with ids, or with a `color` for each class'
            )
        return True, [f'{text}: colours are numbered anew in every file, so colours are taken for classes']

    def pixels(self, colors: bool) -> Counter[int]:
        """Pixels by id, or by packed colour."""
        return sum((self.colors if colors else self.values).values(), Counter())

    def interior(self, colors: bool) -> Counter[int]:
        """The same of pixels in the midst of their like."""
        return self.inner_colors if colors else self.inner

    def _colours(self) -> list[str]:
        seen = set().union(*(meanings for kind, meanings in self.colors.items() if kind != 'ids'))
        if not set(self.colors['ids']) <= seen:
            self._refuse_mixture(self.examples['ids'])
        plain = self.files['grey'] + self.files['ids']
        return [f'{plain} label files of greys alone are taken as colours, as the others are'] if plain else []

    def _refuse_mixture(self, path: str) -> None:
        count = self.files['colours'] + self.files['grey']
        first = self.examples.get('colours') or self.examples.get('grey') or self.examples.get('palette')
        raise DatasetError(
            f'{count} label files hold colours and {self.files["ids"]} hold ids; they must all be of '
            f'one kind. {first} holds colours, {path} ids'
        )

    def _palettes(self, index: int) -> str:
        (one, first), (two, second) = list(self.indices[index].items())[:2]
        return (
            f'palettes of the label files differ: index {index} is {unpack_color(one)} in {first} and '
            f'{unpack_color(two)} in {second}'
        )

    def _check_depths(self) -> None:
        """Programs that make PNG files smaller write 255 as 1, where there is nothing but 0 and 255."""
        if len(self.depths) < 2:
            return
        low, high = min(self.depths), max(self.depths)
        if self.depths[high][0] >= 2**low:
            raise DatasetError(
                f'{self.depths[low][1]} has {low} bits a pixel and {self.depths[high][1]} {high}: a '
                'program that makes files smaller has written some anew, and the ids in them are '
                'uncertain. Write all with 8 bits'
            )


def _renamed(counts: dict[int, int], names: dict[int, int]) -> dict[int, int]:
    totals: Counter[int] = Counter()
    for value, count in counts.items():
        totals[names[value]] += count
    return totals


def _inner(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels whose four neighbours hold the same value; none at the image's edge."""
    same = np.zeros(values.shape, bool)
    middle = values[1:-1, 1:-1]
    same[1:-1, 1:-1] = (
        (values[:-2, 1:-1] == middle)
        & (values[2:, 1:-1] == middle)
        & (values[1:-1, :-2] == middle)
        & (values[1:-1, 2:] == middle)
    )
    return same
