"""Labels that are outlines, drawn into OUT/labels; their classes are those of a class table by name.

Outlines have names and no ids. The ids of the drawn files are given when they are drawn, so those of a table say
nothing about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sw_mmseg.datasets import ClassTable
from sw_mmseg.datasets.polygons import draw_polygons, polygon_format
from sw_mmseg.own_images.drawn_files import drawing_into
from sw_mmseg.own_images.folders import Folder
from sw_mmseg.own_images.sources import mapped
from sw_mmseg.running.errors import UserError

__all__ = ['drawn_labels', 'table_comments']

COMMENTS = (
    'The labels are outlines, which are found by these names: a class that is left out here needs "unknown: ignore".',
    'To rename or merge classes, draw the outlines first: tools/dataset_converters/polygons.py',
)
SHOWN = 6  # names in an error
WAY_OUT = (
    'A class table that says "unknown: ignore" (--classes FILE) leaves out what it does not name. To rename or merge '
    'classes, draw the outlines first: python tools/dataset_converters/polygons.py IMAGES LABELS OUT'
)


def drawn_labels(
    role: str, folders: Sequence[str], out: Path, table: ClassTable | None = None, classes: str | None = None
) -> tuple[str, ClassTable | None, list[str]]:
    """The folder of the label files, the table to read them by, and what there is to say.

    Label files are the user's, and `table` reads them. Outlines are drawn into OUT/labels; their table has the classes
    of `table`, found by name, or, where that is None, all that the outlines name.

    Args:
        role: of the folders.
        folders: images and labels.
        out: where results go.
        table: the classes, with the ids that the user's label files hold.
        classes: what the user called that table, for errors.

    Raises:
        UserError: outlines have names that `table` has not, unless it ignores what it does not name; or label files
            that are not of this tool are in the way.
    """
    images, labels = folders[:2]
    if polygon_format(images, labels) is None:
        return labels, table, []
    with drawing_into(out, role) as place:
        drawn, names, notes = draw_polygons(images, labels, place)
    if table is None:
        return str(place), drawn, notes
    foreign = [name for name in names if name not in table.names]
    if foreign and not table.ignore_unknown:
        where = f'the class table {classes}' if classes else 'the source'
        raise UserError(
            f'{role}: {labels} has outlines called {_listed(foreign)}, which {where} has not; its classes are '
            f'{_listed(table.names)}. {WAY_OUT}'
        )
    if foreign:
        notes.append(f'outlines called {_listed(foreign)} are ignored, since the class table does not name them')
    if drawn.names[0] not in table.names:
        notes.append(f'{drawn.names[0]} is ignored: the class table has no class of that name')
    return str(place), _read_by(drawn, table), notes


def table_comments(folder: Folder, out: Path) -> list[str]:
    """What the class table of a folder says at its head where its labels were drawn from outlines."""
    drawn = folder.labels is not None and Path(folder.labels).is_relative_to(out / 'labels')
    return list(COMMENTS) if drawn else []


def _read_by(drawn: ClassTable, table: ClassTable) -> ClassTable:
    """The classes of `table`, in its order and colours, with the ids of the drawn files."""
    found_ids = mapped(drawn, table)[0]
    classes = [entry._replace(colors=(), color=shown.color) for entry, shown in zip(found_ids.classes, table.classes)]
    return replace(found_ids, classes=tuple(classes))


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
    return f'{", ".join(names[:SHOWN])}{more}'
