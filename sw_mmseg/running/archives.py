"""Unpacking a downloaded archive and counting what lies there. A file appears under its name only when it is whole."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from sw_mmseg.files import whole_file
from sw_mmseg.running.errors import NO_ROOM, UserError

__all__ = ['DAMAGED', 'Pair', 'report', 'unpack']

# what zipfile raises of a damaged archive, and of one that is encrypted or compressed in a way it does not know
DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)


class Pair(NamedTuple):
    """A folder of pictures, the folder of their labels, and how many of each there must be."""

    images: str
    labels: str
    image_suffix: str
    label_suffix: str
    count: int


def unpack(archives: Sequence[Path], out: Path, criterion: Callable[[str], bool] = lambda name: True) -> int:
    """Extracts into `out` what it lacks of the archives' members that meet `criterion`; returns how many files these
    were.

    Raises:
        UserError: an archive is missing, is no zip file or is damaged, or a member would land outside of `out`.
    """
    written = 0
    for archive in archives:
        if not archive.is_file():
            raise UserError(f'no archive {archive}: give the path of the downloaded file')
        try:
            with zipfile.ZipFile(archive) as file:
                members = [m for m in file.infolist() if not m.is_dir() and criterion(m.filename)]
                for member in tqdm(members, desc=archive.name, unit=' files', disable=None):
                    written += _extract(file, member, out)
        except DAMAGED as error:
            if isinstance(error, OSError) and (error.errno in NO_ROOM or isinstance(error, NotADirectoryError)):
                raise
            raise UserError(
                f'{archive} is no whole zip file ({error}): download it again; what was unpacked stays, '
                'and the same command goes on from there'
            ) from error
    return written


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, out: Path) -> bool:
    """Whether the member was written; it is not where a file of its size lies."""
    path = out / member.filename
    if out.resolve() not in path.resolve().parents:
        raise UserError(f'{file.filename} holds {member.filename}, which would be written outside of {out}')
    if path.is_file() and path.stat().st_size == member.file_size:
        return False
    if path.exists():
        raise UserError(
            f'{path} is there and is not that of {file.filename}, of {member.file_size:,} bytes: move '
            'it away, or give another --out'
        )
    with whole_file(path) as part, file.open(member) as source, part.open('wb') as target:
        while block := source.read(1 << 20):
            target.write(block)
    return True


def report(root: Path, pairs: Sequence[Pair]) -> int:
    """Prints what there is and what is missing; returns how many files that is, 0 for a whole data set."""
    missing = 0
    for pair in pairs:
        names = [
            {
                str(path.relative_to(root / folder)).removesuffix(suffix)
                for path in (root / folder).rglob(f'*{suffix}')
                if not path.name.startswith('.')
            }
            for folder, suffix in ((pair.images, pair.image_suffix), (pair.labels, pair.label_suffix))
        ]
        for folder, stems, other in ((pair.images, *names), (pair.labels, *reversed(names))):
            lacking = sorted(other - stems)
            text = f'{root / folder}: {len(stems):,} of {pair.count:,}'
            if lacking:
                text += f', {len(lacking):,} without counterpart missing here, the first {lacking[0]}'
            print(text)
            missing += max(pair.count - len(stems), len(lacking), 0)
    print(f'{missing:,} files are missing: give the archives to unpack, or get them anew' if missing else 'complete')
    return missing
