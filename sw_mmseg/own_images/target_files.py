"""Files of the target folder: images, and what lies among them that looks like labels."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence

from sw_mmseg.datasets.folder_files import PICTURES, foreign_files, list_folder, stem
from sw_mmseg.datasets.label_scan import Scan
from sw_mmseg.datasets.name_matching import match_names
from sw_mmseg.datasets.sample_look import FEW
from sw_mmseg.running.errors import UserError

__all__ = ['label_like', 'list_target', 'refuse_doubles', 'refuse_overlap']

Sample = tuple[str, str, None]


def refuse_overlap(source: Sequence[str], target: str) -> None:
    """Raises UserError where the target's folder is one of the source's, lies in it, or holds it."""
    place = os.path.realpath(target)
    for contents, folder in (('images', source[0]), ('labels', source[1])):
        other = os.path.realpath(folder)
        if place == other:
            raise UserError(
                f"--target {target} is the folder of the source's {contents}: give the folder of the "
                'images that the network is to be adapted to'
            )
        if _inside(place, other):
            raise UserError(
                f"--target {target} lies in the folder of the source's {contents}, {folder}: the same "
                'files would be source and target. Move one of them elsewhere'
            )
        if _inside(other, place):
            raise UserError(
                f"--target {target} holds the source's {contents}, {folder}: the same files would be "
                "source and target. Give the folder of the target's images alone"
                f'{_others(target, source)}'
            )


def list_target(folder: str) -> tuple[tuple[Sample, ...], list[str]]:
    """All images of a folder by their path with its ending, and what there is to say."""
    listing = list_folder(folder, PICTURES, 'images')
    if not listing.files:
        hint = foreign_files(listing.left_out)
        raise UserError(f'{folder} holds no images: no file with {", ".join(PICTURES)}{hint}')
    note = listing.note()
    return tuple((name, path, None) for name, path in listing.files.items()), [note] if note else []


def label_like(names: Sequence[str], scan: Scan, folder: str) -> list[str]:
    """Which of the files are label maps: of one channel with few values, or drawings that belong to other images.

    Raises:
        UserError: all of them are.
    """
    grey = [name for name in names if scan.flat.get(name) == 'grey']
    if grey and len(grey) == len(names):
        raise UserError(
            f'{folder}: all {len(names)} files, such as {grey[0]}, have one channel with {FEW} values or '
            'fewer. They look like labels; give the folder of the images'
        )
    candidates = [name for name in names if scan.flat.get(name) != 'grey']
    drawn = [name for name in candidates if scan.flat.get(name) == 'colour']
    images = [name for name in candidates if scan.flat.get(name) != 'colour']
    if drawn and images:
        by_stem = {stem(name): name for name in drawn}
        matched = match_names(list(dict.fromkeys(map(stem, images))), list(by_stem)).labels.values()
        grey += [by_stem[name] for name in matched] if 2 * len(matched) >= len(drawn) else []
    return sorted(grey)


def refuse_doubles(names: Sequence[str], folder: str) -> None:
    """Raises UserError where two images differ in their ending alone: one prediction would overwrite the other."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[stem(name)].append(name)
    double = next((group for group in groups.values() if len(group) > 1), None)
    if double:
        raise UserError(
            f'{folder}: {double[0]} and {double[1]} differ only in their ending: which one is meant? Remove the other'
        )


def _inside(inner: str, outer: str) -> bool:
    return inner.startswith(outer.rstrip(os.sep) + os.sep)


def _others(target: str, source: Sequence[str]) -> str:
    """Folders in the target's that are not the source's, for an error."""
    taken = [os.path.realpath(folder) for folder in source]
    folders = [
        entry.path
        for entry in sorted(os.scandir(target), key=lambda entry: entry.name)
        if entry.is_dir()
        and not entry.name.startswith('.')
        and not any(one == os.path.realpath(entry.path) or _inside(one, os.path.realpath(entry.path)) for one in taken)
    ]
    return f', such as {folders[0]}' if folders else ''
