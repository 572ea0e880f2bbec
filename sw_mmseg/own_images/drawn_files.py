"""Label files that were drawn from outlines: those of an earlier call go before others are drawn, a user's stay.

OUT/labels/drawn.json has the digest of each drawn file. While files are drawn it has none for their role: all that lies
there then is of this tool, since the folder was empty before.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from sw_mmseg.datasets.folder_files import list_folder
from sw_mmseg.datasets.image_pairs import LABELS
from sw_mmseg.files import read_json
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.records import write_json

__all__ = ['drawing_into', 'has_drawn']

FOLDER, RECORD = 'labels', 'drawn.json'


@contextlib.contextmanager
def drawing_into(out: Path, role: str) -> Iterator[Path]:
    """OUT/labels/ROLE, without label files, to draw into; what was drawn is noted when all went well.

    Raises:
        UserError: a label file in it is not of this tool, or was changed since.
    """
    record = out / FOLDER / RECORD
    place = record.parent / role
    digests = read_json(record, way_out=f'delete {record.parent}') if record.is_file() else {}
    _clear(place, digests.get(role, {}))
    write_json(record, {**digests, role: None})
    yield place
    write_json(record, {**digests, role: {name: _digest(path) for name, path in _files(place).items()}})


def has_drawn(out: Path) -> bool:
    """Whether label files were drawn into OUT."""
    return (out / FOLDER / RECORD).is_file()


def _clear(place: Path, digests: dict[str, str] | None) -> None:
    """Removes the label files in a folder; all are of this tool where `digests` is None."""
    files = _files(place)
    foreign = [path for name, path in files.items() if digests is not None and digests.get(name) != _digest(path)]
    if foreign:
        raise UserError(
            f'{foreign[0]} was not drawn by this tool, by a version that took no note of it, or was changed since: it '
            f'would be written over, or taken for a label of this run. Move or delete {place}, or give another --out'
        )
    for path in files.values():
        path.unlink()


def _files(place: Path) -> dict[str, Path]:
    """Path below the folder -> path, of all label files in it."""
    listing = list_folder(str(place), LABELS).files if place.is_dir() else {}
    return {name: Path(path) for name, path in listing.items()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
