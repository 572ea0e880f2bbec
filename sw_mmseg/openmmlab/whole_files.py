"""mmengine's local files, checkpoints among them, are there whole or not at all.

Its backend writes under the final name. A kill or a full disk leaves a file that is cut short.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.fileio import LocalBackend

from sw_mmseg.files import whole_file
from sw_mmseg.openmmlab.change import Change, Replacements

__all__ = ['WHOLE_FILES', 'put_whole', 'write_whole']

_ORIGINALS = Replacements()


def put_whole(backend: LocalBackend, obj: bytes, filepath: str | Path) -> None:
    """In place of `LocalBackend.put`: written beside, brought to the disk, then renamed."""
    with whole_file(Path(filepath)) as part, part.open('wb') as file:
        file.write(obj)
        file.flush()
        os.fsync(file.fileno())


def write_whole() -> None:
    """Replace the backend's way to write bytes; a second call changes nothing."""
    if vars(LocalBackend)['put'] is not put_whole:
        _ORIGINALS.replace(LocalBackend, 'put', put_whole)


WHOLE_FILES = Change(
    name='files are written whole',
    effect='LocalBackend.put writes beside the file, and renames when all is on the disk',
    reason='a program that is killed, or a full disk, would leave a checkpoint cut short under its final name',
    package='mmengine',
    versions='0.10',
    apply=write_whole,
    undo=_ORIGINALS.restore,
)
