"""Several labelled sources: each with label files of its own kind, their classes united by name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace

from sw_mmseg.datasets import ClassTable
from sw_mmseg.datasets.class_parsing import distinct_colors
from sw_mmseg.datasets.class_table import LabelClass
from sw_mmseg.datasets.known_tables import find_class_table
from sw_mmseg.own_images.folders import Folder
from sw_mmseg.running.errors import UserError

__all__ = ['Source', 'look_at_more', 'mapped', 'split_sources', 'target_table', 'unite']

Source = tuple[str, str, str]  # images, labels, class table


def split_sources(args: argparse.Namespace) -> None:
    """`--source IMAGES LABELS [CLASSES]`, once or several times, as `source`, `classes` of it, and `more_sources`.

    Raises:
        UserError: several sources, and one without a class table.
    """
    given = args.source or []
    args.source, args.more_sources = (given[0][:2] if given else None), []
    if not given:
        return
    common = args.classes
    args.classes = given[0][2] if len(given[0]) == 3 else common
    for images, labels, *table in given[1:]:
        args.more_sources.append([images, labels, table[0] if table else common])
    bare = next((words for words in [[*args.source, args.classes], *args.more_sources] if words[2] is None), None)
    if args.more_sources and bare:
        raise UserError(
            f'--source {bare[0]} {bare[1]}: of several sources each needs a class table, since classes are united by '
            'their names: --source IMAGES LABELS CLASSES.yaml, or --classes for all that have none'
        )


def unite(tables: Sequence[ClassTable]) -> list[ClassTable]:
    """The tables with the classes of all, in the order in which names first appear.

    A class that a table has not gets no ids in it, and a colour that its label files do not hold.
    """
    names = list(dict.fromkeys(name for table in tables for name in table.names))
    taken = {color for table in tables for entry in table.classes for color in (*entry.colors, entry.color)}
    taken |= {color for table in tables for color in table.ignore_colors}
    fresh = dict(zip(names, distinct_colors(len(names), taken)))
    return [_extended(table, names, fresh) for table in tables]


def _extended(table: ClassTable, names: Sequence[str], fresh: dict[str, tuple[int, int, int]]) -> ClassTable:
    entries = {entry.name: entry for entry in table.classes}
    absent = {name: LabelClass(name, (), (fresh[name],), fresh[name]) for name in names if name not in entries}
    return replace(table, classes=tuple(entries.get(name) or absent[name] for name in names))


def mapped(table: ClassTable, onto: ClassTable) -> tuple[ClassTable, list[str]]:
    """A table whose classes are those of `onto`, in its order, by name; and the classes that `onto` has not, whose ids
    and colours are ignored.

    Raises:
        UserError: no name is in both.
    """
    dropped = [entry for entry in table.classes if entry.name not in onto.names]
    if len(dropped) == len(table.classes):
        raise UserError(
            f'the class tables have no name in common: {", ".join(table.names[:6])} and {", ".join(onto.names[:6])}'
        )
    ignore = (*table.ignore, *(value for entry in dropped for value in entry.ids))
    colors = (*table.ignore_colors, *(color for entry in dropped for color in entry.colors))
    kept = replace(
        table,
        classes=tuple(entry for entry in table.classes if entry.name in onto.names),
        ignore=tuple(dict.fromkeys(ignore)),
        ignore_colors=tuple(dict.fromkeys(colors)),
    )
    return unite([onto, kept])[1], [entry.name for entry in dropped]


def target_table(folders: Sequence[str], read_by: ClassTable, table: ClassTable) -> tuple[ClassTable, list[str]]:
    """The table for the labels of IMAGES LABELS [CLASSES], which `read_by` reads: itself, or, where it is of CLASSES,
    mapped onto the source's; and what there is to say."""
    if len(folders) == 2:
        return read_by, []
    mapped_table, dropped = mapped(read_by, table)
    text = f'classes of {folders[2]} that the source has not are ignored: {", ".join(dropped)}'
    return mapped_table, [text] if dropped else []


def look_at_more(sources: Sequence[Source], look: Callable[[str, Source, ClassTable], Folder]) -> list[Folder]:
    """Sources beyond the first, each checked by a table of its own.

    Args:
        sources: see `Source`.
        look: checks a source, given its role and its table, and leaves in it the table that reads its label files.
    """
    return [look(f'source {number}', source, find_class_table(source[2])) for number, source in enumerate(sources, 2)]
