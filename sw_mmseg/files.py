"""Files that are there whole or not at all, whatever stops the program that writes them; the reader of JSON files; and
where to keep what can be made anew."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    'DamagedFileError',
    'cache_folder',
    'is_special',
    'is_whole_archive',
    'parsed_json',
    'read_json',
    'refuse_special',
    'whole_file',
    'write_encoded',
]

ARCHIVE_ERRORS = (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
BLOCK, LARGE, READERS = 1 << 20, 1 << 26, 4  # bytes read at once, bytes of an archive that takes several threads; these
LONGEST = 255  # bytes of a file's name, where users' file systems have a limit
SPECIAL = 'it is a pipe or a device, and no file'


class DamagedFileError(ValueError):
    """A file that this package wrote, and that was cut short or changed since; the text names it."""


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A path beside `file`, of this process alone, which becomes `file` when all went well and is gone when not.

    It ends as `file` does, for what goes by the ending. The folder is made if there is none.

    Raises:
        NotADirectoryError: what should be a folder is a file.
        OSError: the folder or the file cannot be written; or it is a pipe or a device, which a file would replace.
    """
    if is_special(file):
        raise PermissionError(errno.EPERM, SPECIAL, str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(f'{file.parent} is a file, not a folder to write into') from error
    ending = f'.{os.getpid()}.part{file.suffix}'
    stem = os.fsencode(f'.{file.stem}')[: LONGEST - len(os.fsencode(ending))]
    part = file.with_name(os.fsdecode(stem) + ending)
    try:
        yield part
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def write_encoded(file: Path, encode: Callable[[BinaryIO], object]) -> None:
    """Writes what `encode` writes to a stream, all at once.

    Pillow and torch, given a path, write by themselves, and on a full disk raise errors that do not say so.

    Raises:
        OSError: the file cannot be written; `errno` says why.
    """
    stream = io.BytesIO()
    encode(stream)
    file.write_bytes(stream.getbuffer())


def refuse_special(path: str | Path) -> None:
    """Before a file of a user's is opened: opening a pipe that nobody writes to would wait for ever.

    Raises:
        OSError: it is a pipe, a socket or a device. What is missing, or lies behind a URL, raises nothing here.
    """
    if is_special(path):
        raise OSError(errno.EINVAL, SPECIAL, str(path))


def is_special(path: str | Path) -> bool:
    """Whether something is there that is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_whole_archive(path: str | Path) -> bool:
    """Whether a file is a zip archive, as torch's are since 1.6; its checksums are verified, which torch does not do.

    Raises:
        DamagedFileError: it is empty, or an archive that is not whole; other files have no checksums, and archives
            that torch was told to write without (`set_crc32_options`) have zeros in their place.
    """
    if os.path.getsize(path) == 0:
        raise DamagedFileError(f'{path} is empty: the program that wrote it was stopped, or the disk was full')
    with open(path, 'rb') as file:
        if file.read(2) != b'PK':
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = _wrong_record(archive) if any(record.CRC for record in archive.infolist()) else None
    except ARCHIVE_ERRORS as error:
        raise DamagedFileError(f'{path} is cut short or damaged: {error}') from error
    if damaged:
        raise DamagedFileError(f'{path} is damaged: the checksum of {damaged} in it is wrong')
    return True


def _wrong_record(archive: zipfile.ZipFile) -> str | None:
    """The first record whose checksum is wrong. Checksums need no interpreter, so that several are computed at once."""

    def is_wrong(record: zipfile.ZipInfo) -> bool:
        try:
            with archive.open(record) as stream:
                while stream.read(BLOCK):
                    pass
        except zipfile.BadZipFile as error:
            if 'CRC' not in str(error):
                raise
            return True
        return False

    records = archive.infolist()
    if sum(record.file_size for record in records) < LARGE:
        return next((record.filename for record in records if is_wrong(record)), None)
    try:
        with ThreadPoolExecutor(READERS) as pool:
            wrong = list(pool.map(is_wrong, records))
    except RuntimeError:  # no thread may be started any more, or a record is encrypted
        wrong = list(map(is_wrong, records))
    return next((record.filename for record, is_it in zip(records, wrong) if is_it), None)


def read_json(file: str | Path, *keys: str, way_out: str = 'delete it, and it is made anew') -> dict[str, Any]:
    """The object in a JSON file of this package's own.

    Args:
        keys: that it has to have.
        way_out: what helps where the file is damaged.

    Raises:
        DamagedFileError: it is no JSON, no object, or lacks a key.
        OSError: it cannot be opened.
    """
    refuse_special(file)
    return parsed_json(Path(file).read_bytes(), str(file), *keys, way_out=way_out)


def parsed_json(text: str | bytes, place: str, *keys: str, way_out: str = '') -> dict[str, Any]:
    """The object in a text, as `read_json` gives it; `place` says where the text stands."""
    end = f': {way_out}' if way_out else ''
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f'{place} is not JSON, so it is damaged ({error}){end}') from error
    if not isinstance(content, dict):
        raise DamagedFileError(f'{place} is damaged: it holds no names and values{end}')
    lost = [key for key in keys if key not in content]
    if lost:
        raise DamagedFileError(f'{place} is damaged: it has no {lost[0]!r}{end}')
    return content


def cache_folder() -> Path:
    """This user's folder of what can be made anew: $SW_MMSEG_CACHE, else $XDG_CACHE_HOME/sw_mmseg, else
    ~/.cache/sw_mmseg; in the system's temporary folder where a user has no home. It need not exist."""
    if given := os.environ.get('SW_MMSEG_CACHE'):
        return Path(given)
    places = (os.environ.get('XDG_CACHE_HOME', ''), os.path.expanduser('~/.cache'), tempfile.gettempdir())
    return next(Path(place) for place in places if os.path.isabs(place)) / 'sw_mmseg'
