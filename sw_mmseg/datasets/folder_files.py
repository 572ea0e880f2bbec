"""Which files lie in a folder and below: one walk for images and labels, of every data set and tool.

Links are followed, every folder is entered once, and hidden files and folders are left out.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DatasetError

__all__ = ['CLUTTER', 'PICTURES', 'VIDEOS', 'Listing', 'foreign_files', 'list_folder', 'require_folder', 'stem']

PICTURES = ('.png', '.jpg', '.jpeg', '.jfif', '.bmp', '.webp', '.ppm', '.pgm', '.tif', '.tiff', '.gif', '.jp2', '.avif')
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
ARCHIVES = ('.zip', '.tar', '.gz', '.tgz', '.bz2', '.xz', '.7z', '.rar')
CLUTTER = ('__macosx', '@eadir', 'thumbs.db', 'desktop.ini')  # of operating systems, beside files that begin with a dot
FOREIGN = {  # endings of what is often met and not read, and what makes it readable
    '.heic': 'magick mogrify -format jpg *.heic',
    '.heif': 'magick mogrify -format jpg *.heif',
    '.dng': 'dcraw or darktable-cli',
    '.cr2': 'dcraw or darktable-cli',
    '.nef': 'dcraw or darktable-cli',
    '.arw': 'dcraw or darktable-cli',
    '.exr': 'magick mogrify -format png *.exr',
    '.svg': 'a drawing program',
    '.psd': 'magick mogrify -format png *.psd',
    '.dcm': 'dcm2pnm',
    '.nii': 'nibabel',
    '.mat': 'scipy.io.loadmat',
}


@dataclass(frozen=True)
class Listing:
    """Files of a folder: path below it, with '/' -> path. `left_out` counts what is not among them, by its kind."""

    files: dict[str, str]
    left_out: Counter[str]

    def note(self) -> str:
        """'left out: 3 hidden, 2 .txt', or nothing."""
        parts = [f'{count} {kind}' for kind, count in self.left_out.most_common(6)]
        more = len(self.left_out) - len(parts)
        return f'left out: {", ".join(parts)}{f" and {more} other kinds" if more > 0 else ""}' if parts else ''


def list_folder(folder: str, endings: Sequence[str], contents: str = 'images', skip: Sequence[str] = ()) -> Listing:
    """All files with one of the endings (in any case), in the order of their names; may be none.

    Args:
        folder: where to look.
        endings: with their dot, in small letters.
        contents: what the folder must hold, for errors.
        skip: folders below it that are not entered.

    Raises:
        DatasetError: no such folder, or it is a file.
    """
    require_folder(folder, contents)
    files: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    seen = {_identity(path) for path in skip}
    pending = [(folder, '')]
    links: list[tuple[str, str]] = []
    while pending or links:  # links last, so that a file keeps the name that it has without them
        place, prefix = pending.pop() if pending else links.pop(0)
        try:
            identity = _identity(place)
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            left_out['folders that cannot be opened'] += 1
            continue
        if identity in seen:
            left_out['links to folders that were seen already'] += place not in skip
            continue
        seen.add(identity)
        for entry in entries:
            if _is_folder(entry) and not _hidden(entry.name):
                (links if entry.is_symlink() else pending).append((entry.path, f'{prefix}{entry.name}/'))
                continue
            kind = _kind(entry, endings)
            if kind:
                left_out[kind] += 1
            else:
                files[prefix + entry.name] = entry.path
    return Listing(dict(sorted(files.items())), +left_out)


def require_folder(folder: str, contents: str) -> None:
    """Raises `DatasetError` that says what a path is, where it is no folder."""
    if os.path.isdir(folder):
        return
    ending = os.path.splitext(str(folder))[1].lower()
    if not os.path.exists(folder):
        link = f': it is a link to {os.readlink(folder)}, which is not there' if os.path.islink(folder) else ''
        raise DatasetError(f'folder {folder} is missing{link}: it must hold the {contents}, in any tree of folders')
    if ending in VIDEOS:
        raise DatasetError(
            f'{folder} is a video, where a folder of {contents} is asked for. Take images from it, for '
            f'instance two a second: ffmpeg -i {folder} -vf fps=2 FOLDER/%06d.png'
        )
    if ending in ARCHIVES:
        raise DatasetError(f'{folder} is an archive, where a folder of {contents} is asked for: unpack it')
    raise DatasetError(
        f'{folder} is a file, where a folder of {contents} is asked for: give the folder that it is in, '
        f'{os.path.dirname(folder) or "."}'
    )


def foreign_files(left_out: Counter[str]) -> str:
    """What to do about files that are often met and not read; '' where there are none."""
    known = [(count, kind) for kind, count in left_out.items() if kind in FOREIGN or kind in VIDEOS]
    if not known:
        return ''
    count, kind = max(known)
    if kind in VIDEOS:
        return f'. There are {count} videos: ffmpeg -i VIDEO -vf fps=2 FOLDER/%06d.png takes images from one'
    return f'. There are {count} {kind} files, which are not read: convert them, with {FOREIGN[kind]}'


def stem(name: str) -> str:
    """A listing's name without the file's ending."""
    return Path(name).with_suffix('').as_posix()


def _identity(path: str) -> tuple[int, int] | str:
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _hidden(name: str) -> bool:
    return name.startswith('.') or name.lower() in CLUTTER


def _kind(entry: os.DirEntry, endings: Sequence[str]) -> str:
    """Why a file is left out: the kind of it; '' where it is not."""
    if _hidden(entry.name):
        return 'hidden'
    ending = os.path.splitext(entry.name)[1].lower()
    try:
        regular = stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return 'broken links'
    if ending in endings and regular:
        return ''
    return (ending or 'without an ending') if regular else 'no files (devices, pipes)'
