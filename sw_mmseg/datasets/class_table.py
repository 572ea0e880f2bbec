"""A user's own classes: names, the numbers or colours that label files hold for them, and what is to be ignored.

As YAML, in the order in which the network numbers the classes:

    classes:
      road: 10                                      # one id in the label files
      building: [20, 21]                            # several
      plants: {ids: [30], color: [107, 142, 35]}    # and a colour to draw it in
    ignore: [0]                                     # ids, or colours, that are no class; 255 is another

Label files may hold ids (8 or 16 bits, grey or paletted) or colours; colours are looked up in `color`, which may be a
list of several. No counterpart in the paper, whose data sets share one fixed table (`labels`).
"""

import colorsys
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from .errors import DatasetError
from .label_pixels import pack_colors, read_label_pixels, shares
from .labels import IGNORE, UNKNOWN

Color = tuple[int, int, int]
MAX_ID = 65535


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

    def read(self, path: str) -> np.ndarray:
        """The classes in a label file, (H, W) uint8, 255 where ignored. Raises `DatasetError`."""
        return self.map(read_label_pixels(path, self.reads_colors), path)

    def map(self, values: np.ndarray, path: str) -> np.ndarray:
        """Ids (H, W) or colours (H, W, 3) to classes (H, W) uint8. Raises `DatasetError` for what the table lacks."""
        labels = self.classes_of(pack_colors(values) if values.ndim == 3 else values, values.ndim == 3)
        missing = labels == UNKNOWN
        if missing.any():
            what, found = ('colours', pack_colors(values)) if values.ndim == 3 else ('ids', values)
            text = shares(found[missing], found.size, what)
            raise DatasetError(f'label file {path} holds {what} that the class table has not: {text}. Add them to a '
                               'class or to `ignore`.')
        return labels

    def classes_of(self, values: np.ndarray, colors: bool) -> np.ndarray:
        """Class of each id, or packed colour: uint8, 255 where ignored, `UNKNOWN` where the table has it not."""
        if colors:
            keys, found = _color_table(self)
            place = np.searchsorted(keys, values).clip(max=len(keys) - 1)
            return np.where(keys[place] == values, found[place], UNKNOWN).astype(np.uint8)
        table = _id_table(self)
        if values.dtype == np.uint8:
            return table[values]
        return np.where((values < 0) | (values > MAX_ID), UNKNOWN, table[values.clip(0, MAX_ID)]).astype(np.uint8)

    def to_dict(self) -> dict:
        """Plain values, for a config; `parse_class_table` reads them back."""
        rows = [
            {'name': c.name, 'ids': list(c.ids), 'color': list(map(list, c.colors or (c.color,)))} for c in self.classes
        ]
        return {'classes': rows, 'ignore': [*self.ignore, *map(list, self.ignore_colors)]}


def parse_class_table(content: object, where: str = 'class table') -> ClassTable:
    """A table from what a YAML file or a config holds. Raises `DatasetError` that begins with `where`."""
    rows = content.get('classes') if isinstance(content, dict) else None
    if isinstance(rows, dict):
        rows = [{'name': name, **(row if isinstance(row, dict) else {'ids': row})} for name, row in rows.items()]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DatasetError(f'{where} must have `classes:` with a line for each class, such as "  road: 10"')
    extra = set(content) - {'classes', 'ignore'}
    if extra:
        raise DatasetError(f'{where}: unknown entry {sorted(map(str, extra))[0]!r}; valid are classes, ignore')
    ignore = content.get('ignore')
    ignore = [] if ignore is None else list(ignore) if isinstance(ignore, (list, tuple)) else [ignore]
    classes = [_parse_class(row, where) for row in rows]
    if IGNORE not in (*ignore, *(value for entry in classes for value in entry.ids)):
        ignore.append(IGNORE)
    table = ClassTable(
        tuple(_with_colors(classes)),
        tuple(_id(value, where) for value in ignore if not isinstance(value, (list, tuple))),
        tuple(_color(value, where) for value in ignore if isinstance(value, (list, tuple))),
    )
    _check(table, where)
    return table


def read_class_table(path: str | Path) -> ClassTable:
    """A table from a YAML file. Raises `DatasetError` that names the file and what is wrong in it."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise DatasetError(f'class table {path} is missing') from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f'class table {path} cannot be read as YAML: {error}') from error
    return parse_class_table(content, str(path))


def write_class_table(table: ClassTable, path: str | Path) -> None:
    """The table as YAML, whole or not at all."""
    lines = [
        '# Classes in the order of their numbers 0, 1, 2 ...: ids in the label files, and the colour (RGB).',
        '# Rename, merge ids into one class, or move ids to `ignore`; then give this file as --classes.',
        'classes:',
    ]
    for row in table.to_dict()['classes']:
        color = row['color'] if len(row['color']) > 1 else row['color'][0]
        lines.append(f'  {_quoted(row["name"])}: {{ids: {row["ids"]}, color: {color}}}')
    lines.append(f'ignore: {table.to_dict()["ignore"]}')
    part = Path(path).with_name(f'.{Path(path).name}.{os.getpid()}.part')
    part.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    part.replace(path)


def table_of_ids(ids: list[int]) -> ClassTable:
    """A table in which every id but 255 is a class of its own, named after it."""
    rows = [{'name': f'class {value}', 'ids': [value]} for value in sorted(ids) if value != IGNORE]
    if not rows:
        raise DatasetError(f'the labels hold no id but {IGNORE}, which means "no class"')
    if len(rows) > UNKNOWN:
        raise DatasetError(f'the labels hold {len(rows)} different ids: too many for classes. Are they numbers of '
                           'objects, or depths? Give a class table that merges them, --classes FILE')
    return parse_class_table({'classes': rows, 'ignore': [IGNORE]})


def distinct_colors(count: int, taken: set[Color] = frozenset()) -> list[Color]:
    """`count` colours that differ from each other, from `taken` and from black: hues by the golden ratio."""
    found: list[Color] = []
    step = 0
    while len(found) < count:
        hue, saturation, value = 0.61803398875 * step % 1, (0.75, 0.45, 0.9)[step % 3], (0.9, 0.7, 0.55)[step // 3 % 3]
        color = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        if color not in taken and color not in found:
            found.append(color)
        step += 1
    return found


def _parse_class(row: dict, where: str) -> LabelClass:
    """One class, without a colour to draw it in where none is given."""
    name = row.get('name')
    if not isinstance(name, str) or not name.strip():
        raise DatasetError(f'{where}: the class name {name!r} is no text; put it in quotes')
    extra = set(row) - {'name', 'ids', 'color'}
    if extra:
        raise DatasetError(f'{where}: class {name}: unknown entry {sorted(map(str, extra))[0]!r}; valid are ids, color')
    ids, colors = row.get('ids', []), row.get('color') or []
    ids = ids if isinstance(ids, (list, tuple)) else [ids]
    colors = colors if colors and isinstance(colors[0], (list, tuple)) else [colors] if colors else []
    entry = LabelClass(name, tuple(_id(value, f'{where}: class {name}') for value in ids),
                       tuple(_color(value, f'{where}: class {name}') for value in colors), ())
    if not entry.ids and not entry.colors:
        raise DatasetError(f'{where}: class {name} has neither ids nor a color: nothing in a label file can be it')
    return entry


def _with_colors(classes: list[LabelClass]) -> list[LabelClass]:
    """Every class with a colour to draw it in: its first own one, or one that nothing else has."""
    own = {color for entry in classes for color in entry.colors}
    fresh = iter(distinct_colors(len(classes), own))
    return [entry._replace(color=entry.colors[0] if entry.colors else next(fresh)) for entry in classes]


def _check(table: ClassTable, where: str) -> None:
    """Nothing means two things, and the numbers of classes fit into 8-bit pictures of predictions."""
    if not 2 <= len(table.classes) <= UNKNOWN:
        raise DatasetError(f'{where} has {len(table.classes)} classes; 2 to {UNKNOWN} are possible')
    owner: dict[object, str] = {}
    rows = [(entry.name, [entry.name, *entry.ids, *entry.colors]) for entry in table.classes]
    for name, values in [*rows, ('ignore', [*table.ignore, *table.ignore_colors])]:
        for value in values:
            if value in owner:
                raise DatasetError(f'{where}: {value} belongs to {owner[value]} and to {name}; it can mean one thing')
            owner[value] = name


def _id(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise DatasetError(f'{where}: {value!r} is no id; ids are whole numbers from 0 to {MAX_ID}')
    return value


def _color(value: object, where: str) -> Color:
    fits = isinstance(value, (list, tuple)) and len(value) == 3
    if not fits or not all(isinstance(part, int) and 0 <= part <= 255 for part in value):
        raise DatasetError(f'{where}: {value!r} is no colour; colours are [red, green, blue], each 0 to 255')
    return tuple(value)


def _quoted(name: str) -> str:
    """A name that YAML reads back as the same text."""
    return yaml.safe_dump(name, width=10_000, allow_unicode=True, default_style='"' if name != name.strip() else None
                          ).split('\n')[0]


@lru_cache(maxsize=8)
def _id_table(table: ClassTable) -> np.ndarray:
    """(65536,) uint8: class of an id."""
    found = np.full(MAX_ID + 1, UNKNOWN, np.uint8)
    found[list(table.ignore)] = IGNORE
    for index, entry in enumerate(table.classes):
        found[list(entry.ids)] = index
    return found


@lru_cache(maxsize=8)
def _color_table(table: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """Packed colours in order (K,), and the class of each (K,) uint8."""
    rows = [(color, index) for index, entry in enumerate(table.classes) for color in entry.colors]
    rows += [(color, IGNORE) for color in table.ignore_colors]
    rows = rows or [((-1, -1, -1), UNKNOWN)]
    keys = pack_colors(np.array([color for color, _ in rows]))
    order = np.argsort(keys)
    return keys[order], np.array([index for _, index in rows], np.uint8)[order]
