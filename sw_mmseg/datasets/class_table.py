"""A user's own classes: names, the numbers or colours that label files hold for them, and what is to be ignored.

As YAML, in the order in which the network numbers the classes:

    classes:
      road: 10                                      # one id in the label files
      building: [20, 21]                            # several
      plants: {ids: [30], color: [107, 142, 35]}    # and a colour to draw it in
    ignore: [0]                                     # ids, or colours, that are no class; 255 and -1 are others
    unknown: ignore                                 # what the table does not name is no class, instead of an error

Label files may hold ids or colours; colours are looked up in `color`, which may be a list of several. `class_parsing`
makes tables of such text, `class_yaml` reads and writes it. No counterpart in the paper, whose data sets share one
fixed table (`labels`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .errors import DatasetError
from .label_file import VOID, LabelFile, read_label
from .label_pixels import pack_colors, shares
from .labels import IGNORE, UNKNOWN

__all__ = ['ClassTable', 'Color', 'LabelClass']

Color = tuple[int, int, int]


class LabelClass(NamedTuple):
    """One class: `ids` and `colors` are what label files hold for it, `color` (RGB) is what it is drawn in."""

    name: str
    ids: tuple[int, ...]
    colors: tuple[Color, ...]
    color: Color


@dataclass(frozen=True)
class ClassTable:
    """Classes in the network's order, and the ids and colours that are none."""

    classes: tuple[LabelClass, ...]
    ignore: tuple[int, ...] = (IGNORE,)
    ignore_colors: tuple[Color, ...] = ()
    ignore_unknown: bool = False  # what the table has not is ignored instead of refused

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names."""
        return tuple(entry.name for entry in self.classes)

    @property
    def palette(self) -> list[list[int]]:
        """The classes' colours, RGB."""
        return [list(entry.color) for entry in self.classes]

    @property
    def reads_colors(self) -> bool:
        """Whether colours are all that is known of what label files hold."""
        return not any(entry.ids for entry in self.classes)

    def by_colors(self) -> ClassTable:
        """The table for label files that hold colours: without ids, so that no file of one grey is taken for ids.

        Raises:
            DatasetError: a class has no colour.
        """
        if self.reads_colors:
            return self
        bare = [entry.name for entry in self.classes if not entry.colors]
        if bare:
            raise DatasetError(f'the label files hold colours, and the class table has none for {", ".join(bare[:3])}')
        return replace(self, classes=tuple(entry._replace(ids=()) for entry in self.classes))

    def read(self, path: str) -> np.ndarray:
        """The classes in a label file, (H, W) uint8, 255 where ignored. Raises `DatasetError`."""
        return self.classes_in(read_label(path), path)

    def classes_in(self, label_file: LabelFile, path: str) -> np.ndarray:
        """The classes (H, W) uint8 of what a label file holds. Raises `DatasetError`."""
        colors = label_file.colours() if self.reads_colors or label_file.kind == 'grey' else None
        if self.reads_colors:
            if colors is None:
                raise DatasetError(
                    f'label file {path} holds ids and no colours, and the class table has colours '
                    'alone: give the ids of its classes'
                )
            return self.map(colors, path)
        if label_file.kind != 'grey' or not any(entry.colors for entry in self.classes):
            return self.map(label_file.values, path)
        # every pixel of an RGB picture is grey: ids, or colours one of which is black or grey
        by_color = self.classes_of(pack_colors(colors), True)
        by_id = self.classes_of(label_file.values, False)
        if (by_color == UNKNOWN).any() or (by_color == by_id).all():
            return self.map(label_file.values, path)
        if (by_id == UNKNOWN).any():
            return by_color
        raise DatasetError(
            f'label file {path} is an RGB picture of greys, which mean one class as ids and another as '
            'colours: give a class table with ids alone, or with colours alone'
        )

    def map(self, values: np.ndarray, path: str) -> np.ndarray:
        """Ids (H, W) or colours (H, W, 3) to classes (H, W) uint8. Raises `DatasetError` for what the table lacks."""
        labels = self.classes_of(pack_colors(values) if values.ndim == 3 else values, values.ndim == 3)
        missing = labels == UNKNOWN
        if missing.any() and self.ignore_unknown:
            return np.where(missing, np.uint8(IGNORE), labels)
        if missing.any():
            kind, pixels = ('colours', pack_colors(values)) if values.ndim == 3 else ('ids', values)
            text = shares(pixels[missing], pixels.size, kind)
            raise DatasetError(
                f'label file {path} holds {kind} that the class table has not: {text}. Add them to a '
                'class or to `ignore`.'
            )
        return labels

    def classes_of(self, values: np.ndarray, colors: bool) -> np.ndarray:
        """Class of each id, or packed colour: uint8, 255 where ignored, `UNKNOWN` where the table has it not."""
        keys, classes = _color_keys(self) if colors else _id_keys(self)
        if values.dtype == np.uint8 and not colors:
            return _look_up(keys, classes, np.arange(256))[values]
        return _look_up(keys, classes, values)

    def to_dict(self) -> dict:
        """What a config holds; `parse_class_table` makes the table again."""
        rows = [
            {'name': c.name, 'ids': list(c.ids), 'color': list(map(list, c.colors or (c.color,)))} for c in self.classes
        ]
        unknown = {'unknown': 'ignore'} if self.ignore_unknown else {}
        return {'classes': rows, 'ignore': [*self.ignore, *map(list, self.ignore_colors)], **unknown}


def _look_up(keys: np.ndarray, classes: np.ndarray, values: np.ndarray) -> np.ndarray:
    place = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    return np.where(keys[place] == values, classes[place], UNKNOWN).astype(np.uint8)


@lru_cache(maxsize=8)
def _id_keys(table: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """Ids in order (K,), and the class of each (K,) uint8."""
    rows = {VOID: IGNORE, **dict.fromkeys(table.ignore, IGNORE)}
    rows.update((value, index) for index, entry in enumerate(table.classes) for value in entry.ids)
    keys = np.array(sorted(rows), np.int64)
    return keys, np.array([rows[key] for key in keys.tolist()], np.uint8)


@lru_cache(maxsize=8)
def _color_keys(table: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """Packed colours in order (K,), and the class of each (K,) uint8."""
    rows = [(color, index) for index, entry in enumerate(table.classes) for color in entry.colors]
    rows += [(color, IGNORE) for color in table.ignore_colors]
    rows = rows or [((-1, -1, -1), UNKNOWN)]
    keys = pack_colors(np.array([color for color, _ in rows]))
    order = np.argsort(keys)
    return keys[order], np.array([index for _, index in rows], np.uint8)[order]
