"""Where commands write: nothing that exists is overwritten unless the same command wrote it or --overwrite says so, and
nothing is written among what is read.

A folder that a command writes to gets a record of the files that it wrote, `.written_by_sw_mmseg`, a line each. A file
that has not changed since is the command's own, and the next call of the command writes it anew.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from sw_mmseg.files import is_special, whole_file, write_encoded
from sw_mmseg.running.errors import NO_ROOM, UnwritableError, UserError

__all__ = ['RECORD', 'Outputs', 'add_overwrite', 'moved_aside', 'refuse_among_inputs']

RECORD = '.written_by_sw_mmseg'


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """The option by which a user lets a command overwrite files that it did not write itself."""
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='write over files that exist, also those that this command did not write',
    )


def refuse_among_inputs(out: Path, source: Path) -> None:
    """Nothing is written into a folder that is read, or below it: it would be read next time.

    Args:
        out: the folder or file to be written.
        source: the folder or file that is read.

    Raises:
        UserError: `out` is `source`, or lies in it.
    """
    if out.resolve() == source.resolve():
        raise UserError(f'{out} is what is read: give another place to write to')
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(
            f'{out} lies in {source}, which is read: what is written there would be taken for input next '
            'time. Give a place outside of it'
        )


def moved_aside(folder: Path) -> Path:
    """Gives a folder another name, NAME.before or the first of NAME.before2, NAME.before3, ... that is free."""
    names = itertools.chain(['.before'], (f'.before{number}' for number in itertools.count(2)))
    aside = next(path for name in names if not (path := folder.with_name(folder.name + name)).exists())
    folder.rename(aside)
    return aside


class Outputs:
    """The files that one call of a command writes.

    Args:
        folder: where they lie; it need not be there.
        command: the command's name. Only what a command of that name wrote is its own.
        overwrite: write over everything else too.
    """

    def __init__(self, folder: Path, command: str, overwrite: bool = False) -> None:
        self.folder, self.command, self.overwrite = Path(folder), command, overwrite

    @classmethod
    def of_file(cls, file: Path, command: str, overwrite: bool = False) -> Outputs:
        """For a single file; refuses at once."""
        outputs = cls(Path(file).parent, command, overwrite)
        outputs.refuse_existing([Path(file).name])
        return outputs

    def refuse_existing(self, names: Iterable[str], inputs: Iterable[Path] = ()) -> None:
        """Before anything is computed: no file of these names is in the way.

        Args:
            names: paths below the folder.
            inputs: files that are read, which not even `overwrite` gives up.

        Raises:
            UserError: a file is in the way; names the first.
        """
        files = [(name, self.folder / name) for name in names]
        read = {path.resolve() for path in inputs}
        onto = next((file for _, file in files if file.resolve() in read), None) if read else None
        if onto:
            raise UserError(
                f'{onto} would be written over, and it is one of the files that are read: give another '
                'folder to write to'
            )
        folder = next((file for _, file in files if file.is_dir()), None)
        if folder:
            raise UserError(f'{folder} is a folder, and a file of that name is to be written')
        special = next((file for _, file in files if is_special(file)), None)
        if special:
            raise UserError(f'{special} is a pipe or a device, which a file would replace: give another place')
        if self.overwrite:
            return
        foreign = self.foreign(name for name, _ in files)
        if foreign:
            more = f' and {len(foreign) - 1} more' if len(foreign) > 1 else ''
            raise UserError(
                f'{foreign[0]}{more} exist{"s" * (not more)} and {"are" if more else "is"} not of an '
                f'earlier `{self.command}`, or changed since: give another place, or --overwrite'
            )

    def foreign(self, names: Iterable[str]) -> list[Path]:
        """Those that are there and are not this command's own, or changed since; names are paths below the folder."""
        written = self._written()
        files = [(name, self.folder / name) for name in names]
        return [file for name, file in files if file.exists() and _state(file) not in written.get(name, [])]

    def free_name(self, name: str) -> str:
        """`name`, or, where a file of it is not the command's own, the first of NAME_2, NAME_3, ... that can be had."""
        names = [name, *(f'{Path(name).stem}_{number}{Path(name).suffix}' for number in range(2, 1000))]
        taken = self.foreign(names)
        return next(name for name in names if self.folder / name not in taken)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A path beside the file `name`, which becomes that file when all went well.

        Raises:
            UnwritableError: the disk is full, or this user must not write there.
        """
        file = self.folder / name
        try:
            with whole_file(file) as part:
                yield part
                self.record(name, part)  # stopped behind this, there is a record too many, and not a file too many
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise UserError(f'{file} cannot be written: its name is too long') from error
            if error.errno not in NO_ROOM:
                raise
            raise UnwritableError(f'{file} cannot be written: {error.strerror}') from error

    def record(self, name: str, part: Path | None = None) -> None:
        """Notes a file that was written by other means, or is `part` still."""
        line = json.dumps({'file': name, 'by': self.command, 'state': _state(part or self.folder / name)})
        with (self.folder / RECORD).open('a', encoding='utf-8') as record:
            record.write(f'{line}\n')

    def write(self, name: str, content: str | bytes) -> None:
        """The whole file or none of it."""
        with self.writing(name) as part:
            part.write_bytes(content.encode() if isinstance(content, str) else content)

    def write_encoded(self, name: str, encode: Callable[[BinaryIO], object]) -> None:
        """The same of what `encode` writes to a stream, such as a picture."""
        with self.writing(name) as part:
            write_encoded(part, encode)

    def _written(self) -> dict[str, list[list[int]]]:
        """Name -> states, of all files that this command recorded here."""
        record, states = self.folder / RECORD, defaultdict(list)
        for line in record.read_text(encoding='utf-8', errors='replace').splitlines() if record.is_file() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that is cut off, or damaged
                content = json.loads(line)
                if content['by'] == self.command:
                    states[content['file']].append(content['state'])
        return states


def _state(file: Path) -> list[int]:
    """Size in bytes and time of writing."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]
