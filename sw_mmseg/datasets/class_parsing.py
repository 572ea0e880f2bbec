"""Class tables of what a YAML file, a config or the label files hold; mistakes are named with their place."""

from __future__ import annotations

import colorsys
from collections.abc import Collection

from .class_table import ClassTable, Color, LabelClass
from .errors import DatasetError
from .labels import IGNORE, UNKNOWN
from .once import say_once

__all__ = ['distinct_colors', 'parse_class_table', 'table_of_ids']

LEAST_ID, MOST_ID = -(1 << 31), (1 << 32) - 1


def parse_class_table(content: object, where: str = 'class table') -> ClassTable:
    """A table from what a YAML file or a config holds. Raises `DatasetError` that begins with `where`."""
    rows = content.get('classes') if isinstance(content, dict) else None
    if isinstance(rows, dict):
        rows = [{'name': name, **(row if isinstance(row, dict) else {'ids': row})} for name, row in rows.items()]
    elif isinstance(rows, list) and rows and all(isinstance(row, str) for row in rows):
        say_once('class table: a list of names alone; their ids are taken to be 0, 1, 2 ... in this order', where)
        rows = [{'name': name, 'ids': [index]} for index, name in enumerate(rows)]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DatasetError(
            f'{where} must have `classes:` with a line for each class, such as "  road: 10": indented '
            'by blanks, and with a blank behind the colon'
        )
    extra = set(content) - {'classes', 'ignore', 'unknown'}
    if extra:
        raise DatasetError(f'{where}: unknown entry {sorted(map(str, extra))[0]!r}; valid are classes, ignore, unknown')
    if content.get('unknown', 'error') not in ('error', 'ignore'):
        raise DatasetError(f'{where}: unknown: {content["unknown"]!r}; valid are error, ignore')
    ignore = content.get('ignore')
    ignore = [] if ignore is None else list(ignore) if isinstance(ignore, (list, tuple)) else [ignore]
    classes = [_parse_class(row, where) for row in rows]
    if IGNORE not in (*ignore, *(value for entry in classes for value in entry.ids)):
        ignore.append(IGNORE)
    table = ClassTable(
        tuple(_with_colors(classes)),
        tuple(_id(value, where) for value in ignore if not isinstance(value, (list, tuple))),
        tuple(_color(value, where) for value in ignore if isinstance(value, (list, tuple))),
        content.get('unknown') == 'ignore',
    )
    _check(table, where)
    return table


def table_of_ids(ids: Collection[int], keep_255: bool = False) -> ClassTable:
    """A table in which every id is a class of its own, named after it; not -1, and 255 only where it is to be kept."""
    chosen = [value for value in sorted(ids) if value != -1 and (keep_255 or value != IGNORE)]
    rows = [{'name': f'class {value}', 'ids': [value]} for value in chosen]
    if not rows:
        raise DatasetError(f'the labels hold no id but {" and ".join(map(str, sorted(ids)))}, which means "no class"')
    if rows[0]['ids'][0] < 0:
        raise DatasetError(
            f'the labels hold the negative id {rows[0]["ids"][0]}, which is no class unless you say so: '
            f'give a class table with "ignore: [{rows[0]["ids"][0]}]", --classes FILE'
        )
    if len(rows) > UNKNOWN:
        raise DatasetError(
            f'the labels hold {len(rows)} different ids: too many for classes. Are they numbers of '
            'objects, or depths? Give a class table that merges them, --classes FILE'
        )
    ignore = [*([] if keep_255 else [IGNORE]), *([-1] if -1 in ids else [])]
    return parse_class_table({'classes': rows, 'ignore': ignore}, 'the labels')


def distinct_colors(count: int, taken: set[Color] = frozenset()) -> list[Color]:
    """`count` colours that differ from each other, from `taken` and from black: hues by the golden ratio."""
    colors: list[Color] = []
    step = 0
    while len(colors) < count:
        hue, saturation, value = 0.61803398875 * step % 1, (0.75, 0.45, 0.9)[step % 3], (0.9, 0.7, 0.55)[step // 3 % 3]
        color = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        if color not in taken and color not in colors:
            colors.append(color)
        step += 1
    return colors


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
    entry = LabelClass(
        name,
        tuple(_id(value, f'{where}: class {name}') for value in ids),
        tuple(_color(value, f'{where}: class {name}') for value in colors),
        (),
    )
    if not entry.ids and not entry.colors:
        raise DatasetError(f'{where}: class {name} has neither ids nor a color: nothing in a label file can be it')
    return entry


def _with_colors(classes: list[LabelClass]) -> list[LabelClass]:
    """Every class with a colour to draw it in: its first own one, or one that nothing else has."""
    colors = {color for entry in classes for color in entry.colors}
    fresh = iter(distinct_colors(len(classes), colors))
    return [entry._replace(color=entry.colors[0] if entry.colors else next(fresh)) for entry in classes]


def _check(table: ClassTable, where: str) -> None:
    """Nothing means two things, and the numbers of classes fit into 8-bit pictures of predictions."""
    if not 2 <= len(table.classes) <= UNKNOWN:
        text = f'{where} has {len(table.classes)} classes; 2 to {UNKNOWN} are possible'
        if len(table.classes) == 1:
            text += (
                f'. A network tells classes apart: give what is not {table.names[0]} a class, too, with the id '
                'that the label files hold there, such as "background: 0" (or 255, which is ignored unless it is '
                'named)'
            )
        raise DatasetError(text)
    owner: dict[object, str] = {}
    rows = [(entry.name, [entry.name, *entry.ids, *entry.colors]) for entry in table.classes]
    for name, values in [*rows, ('ignore', [*table.ignore, *table.ignore_colors])]:
        for value in values:
            if value in owner and value == name:
                raise DatasetError(
                    f'{where}: two classes are called {name}; several ids make one class by "{name}: [10, 11]"'
                )
            if value in owner:
                raise DatasetError(f'{where}: {value} belongs to {owner[value]} and to {name}; it can mean one thing')
            owner[value] = name


def _id(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not LEAST_ID <= value <= MOST_ID:
        raise DatasetError(f'{where}: {value!r} is no id; ids are whole numbers, written without quotes')
    return value


def _color(value: object, where: str) -> Color:
    fits = isinstance(value, (list, tuple)) and len(value) == 3
    if not fits or not all(isinstance(part, int) and 0 <= part <= 255 for part in value):
        raise DatasetError(f'{where}: {value!r} is no colour; colours are [red, green, blue], each 0 to 255')
    return tuple(value)
