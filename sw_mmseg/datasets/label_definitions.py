"""Class tables that simulators leave beside their labels: which colour, or id, means what.

    Omniverse Replicator    semantic_segmentation_labels_0001.json beside semantic_segmentation_0001.png, one a frame:
                            {"(140, 25, 255, 255)": {"class": "car"}, ...}, or {"3": {"class": "car"}, ...}
    Unity Perception        annotation_definitions.json, of version 1 (SOLO: labelName, pixelValue from 0 to 255) and
                            of versions before (label_name, pixel_value from 0 to 1)
    Virtual KITTI           colors.txt: a line "Category r g b", then one a class

They are looked for in the folder of the labels and in the two above it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from .class_parsing import parse_class_table
from .class_table import ClassTable
from .errors import DatasetError

__all__ = ['find_definitions']

REPLICATOR, UNITY, COLOURS = 'semantic_segmentation_labels*.json', 'annotation_definitions.json', 'colors.txt'
ABOVE = 2  # folders
NOTHING = {'unlabelled', 'unlabeled', 'undefined'}  # as simulators call what has no class
Value = int | tuple[int, int, int]


def find_definitions(labels: str) -> tuple[ClassTable, str] | None:
    """The table of a folder of labels, and what is to be said of it; None where no such file is found.

    Raises:
        DatasetError: a file that cannot be read, or files of frames that contradict each other.
    """
    folder = Path(labels).resolve()
    for place in (folder, *list(folder.parents)[:ABOVE]):
        for pattern, read in ((REPLICATOR, _replicator), (UNITY, _unity), (COLOURS, _colour_text)):
            files = sorted(place.glob(pattern)) or (sorted(place.rglob(pattern)) if place == folder else [])
            names = _united(files, read) if files else {}
            if names:
                return _table(names, files[0]), (
                    f'classes are those of {files[0]}'
                    + (f' and {len(files) - 1} more such files' if len(files) > 1 else '')
                )
    return None


def _united(files: list[Path], read) -> dict[Value, str]:
    names: dict[Value, str] = {}
    origins: dict[Value, Path] = {}
    for file in files:
        for value, name in read(file):
            if names.setdefault(value, name) != name:
                raise DatasetError(
                    f'{value} is {names[value]} in {origins[value]} and {name} in {file}: colours or ids are dealt '
                    'anew in every frame, so that no class table fits them all. Let the simulator give each class a '
                    'colour of its own'
                )
            origins.setdefault(value, file)
    return names


def _table(names: dict[Value, str], file: Path) -> ClassTable:
    rows: dict[str, dict[str, list]] = {}
    ignored: list[int | list[int]] = []
    for value, name in names.items():
        plain = list(value) if isinstance(value, tuple) else value
        if name.lower() in NOTHING:
            ignored.append(plain)
        else:
            row = rows.setdefault(name, {})
            row.setdefault('color' if isinstance(value, tuple) else 'ids', []).append(plain)
    if any(isinstance(value, tuple) for value in names) and (0, 0, 0) not in names:
        ignored.append([0, 0, 0])  # where nothing was drawn
    return parse_class_table({'classes': rows, 'ignore': ignored}, str(file))


def _replicator(file: Path) -> Iterator[tuple[Value, str]]:
    content = _json(file)
    for key, entry in content.items() if isinstance(content, dict) else ():
        numbers = [int(number) for number in re.findall(r'\d+', key)]
        name = entry.get('class') if isinstance(entry, dict) else entry
        if len(numbers) not in (1, 3, 4) or not isinstance(name, str):
            raise DatasetError(f'{file}: the entry {key!r} is none of Replicator: "(r, g, b, a)": {{"class": NAME}}')
        yield (numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])), name


def _unity(file: Path) -> Iterator[tuple[Value, str]]:
    content = _json(file)
    definitions = content.get('annotationDefinitions') or content.get('annotation_definitions') or []
    for definition in definitions:
        kind = ' '.join(str(definition.get(key, '')) for key in ('@type', 'id', 'name')).lower()
        if 'semantic' not in kind:
            continue
        for entry in definition.get('spec', ()):
            name = entry.get('labelName', entry.get('label_name'))
            value = entry.get('pixelValue', entry.get('pixel_value'))
            if isinstance(value, dict):
                value = [round(255 * value[band]) for band in 'rgb']
            if not isinstance(name, str) or not isinstance(value, list) or len(value) < 3:
                raise DatasetError(f'{file}: the entry {entry} names no class and colour')
            yield (int(value[0]), int(value[1]), int(value[2])), name


def _colour_text(file: Path) -> Iterator[tuple[Value, str]]:
    for line in file.read_text(encoding='utf-8-sig').splitlines():
        words = line.split()
        if len(words) == 4 and all(word.isdigit() and int(word) < 256 for word in words[1:]):
            yield (int(words[1]), int(words[2]), int(words[3])), words[0].partition(':')[0]


def _json(file: Path) -> dict:
    try:
        return json.loads(file.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError) as error:
        raise DatasetError(f'{file} is no JSON ({error}): was it cut short?') from error
