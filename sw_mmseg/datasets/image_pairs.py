"""Which label file belongs to which image: by their paths below two folders, or in one, without the ending.

`name_matching` has the rules for two folders, `one_folder` for one. Names may differ at the end, in front, or in their
folders; ends may also be given.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from .errors import DatasetError
from .folder_files import PICTURES, Listing, foreign_files, list_folder, stem
from .name_matching import Match, find_suffixes, match_names
from .one_folder import divide

__all__ = ['LABELS', 'Pairs', 'find_pairs', 'find_suffixes', 'list_files']

LABELS = ('.png', '.tif', '.tiff', '.bmp', '.webp', '.gif', '.ppm', '.pgm', '.npy', '.npz')
JPEG = ('.jpg', '.jpeg', '.jfif')  # which changes ids at every edge
POLYGONS = ('.json', '.txt', '.xml')


@dataclass(frozen=True)
class Pairs:
    """What was found. `samples`: (name, image, label); `name` is the image's path without folder and ending."""

    samples: tuple[tuple[str, str, str], ...]
    image_suffix: str
    label_suffix: str
    without_label: tuple[str, ...]  # names of images
    without_image: tuple[str, ...]  # names of label files
    notes: tuple[str, ...] = ()

    def compared(self) -> str:
        """How names were compared, for an error."""
        parts = [
            f'{side} names end with {suffix!r}'
            for side, suffix in (('image', self.image_suffix), ('label', self.label_suffix))
            if suffix
        ]
        return (
            'paths without the file ending'
            + (f', where {" and ".join(parts)}' if parts else '')
            + '; --image-suffix and --label-suffix say otherwise'
        )


def find_pairs(images: str, labels: str, image_suffix: str | None = None, label_suffix: str | None = None) -> Pairs:
    """Images with their label files, in the order of their names.

    Raises:
        DatasetError: a folder is missing or empty, nothing matches, or two files would be the same sample.
    """
    if os.path.realpath(images) == os.path.realpath(labels):
        pictures, maps, notes = _one_folder(images, image_suffix, label_suffix)
    else:
        below = [[inner] if _inside(inner, outer) else [] for outer, inner in ((images, labels), (labels, images))]
        listings = [
            list_folder(folder, endings, contents, skip)
            for folder, endings, contents, skip in (
                (images, PICTURES, 'images', below[0]),
                (labels, LABELS, 'labels', below[1]),
            )
        ]
        pictures = _by_name(images, listings[0], PICTURES, 'images', image_suffix)
        maps = _by_name(labels, listings[1], LABELS, 'labels', label_suffix)
        notes = [
            f'{kind} {listing.note()}' for kind, listing in zip(('images:', 'labels:'), listings) if listing.note()
        ]
    match = match_names(list(pictures), list(maps), _bare(image_suffix), _bare(label_suffix))
    partners = match.labels
    samples = tuple((name, path, maps[partners[name]]) for name, path in pictures.items() if name in partners)
    used = set(partners.values())
    pairs = Pairs(
        samples,
        match.image_end,
        match.label_end,
        tuple(name for name in pictures if name not in partners),
        tuple(name for name in maps if name not in used),
        (*notes, *_said(match)),
    )
    if not samples:
        raise DatasetError(
            f'no label file in {labels} belongs to an image in {images}: an image is called '
            f'{next(iter(pictures))!r}, a label file {next(iter(maps))!r}; compared were '
            f'{pairs.compared()}'
        )
    return pairs


def list_files(folder: str, endings: tuple[str, ...], contents: str, suffix: str | None = None) -> dict[str, str]:
    """Name (path below `folder`, without ending, with '/') -> path, of all files there; hidden ones are left out.

    Raises:
        DatasetError: no such folder, nothing in it, or two files that differ in their ending alone.
    """
    return _by_name(folder, list_folder(folder, endings, contents), endings, contents, suffix)


def _by_name(
    folder: str, listing: Listing, endings: tuple[str, ...], contents: str, suffix: str | None
) -> dict[str, str]:
    paths: dict[str, str] = {}
    for file, path in listing.files.items():
        name = stem(file)
        if suffix and not (name.endswith(suffix) or file.endswith(suffix)):
            continue
        if name in paths:
            raise DatasetError(
                f'{paths[name]} and {path} differ only in their ending: which one is meant? '
                f'--{contents.rstrip("s")}-suffix {os.path.splitext(path)[1]} takes the second'
            )
        paths[name] = path
    if not paths:
        ends = f' whose name ends with {suffix!r}' if suffix else ''
        hint = _no_labels(listing.left_out) if contents == 'labels' else foreign_files(listing.left_out)
        raise DatasetError(f'{folder} holds no {contents}{ends}: no file with {", ".join(endings)}{hint}')
    return dict(sorted(paths.items()))


def _no_labels(left_out: Counter[str]) -> str:
    """What to do about what a folder of labels holds instead."""
    count = sum(left_out[ending] for ending in JPEG)
    if count:
        return f'. It holds {count} JPEG files (JPEG is no format for labels: it changes ids at every edge)'
    polygons = next((ending for ending in POLYGONS if left_out[ending]), None)
    if polygons:
        return (
            f'. It holds {left_out[polygons]} {polygons} files: polygons of labelme (.json), COCO (one .json) and '
            'YOLO (.txt) are drawn as label files by `sw-mmseg dataset_converters polygons IMAGES LABELS OUT`'
        )
    return ' (JPEG is no format for labels: it changes ids at every edge)' + foreign_files(left_out)


def _one_folder(
    folder: str, image_suffix: str | None, label_suffix: str | None
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Images and labels, by name, that lie in one folder."""
    listing = list_folder(folder, tuple({*PICTURES, *LABELS}), 'images and their labels')
    try:
        images, labels, said = divide(list(listing.files), image_suffix, label_suffix)
    except DatasetError as error:
        only = all(name.lower().endswith(JPEG) for name in listing.files)
        hint = '. It holds no labels but JPEG files, and JPEG is no format for labels: it changes ids at every edge'
        raise DatasetError(f'images and labels are in one folder, {folder}: {error}{hint * only}') from None
    parts = []
    for contents, names, endings in (('images', images, PICTURES), ('labels', labels, LABELS)):
        chosen = Listing({name: listing.files[name] for name in names if name.lower().endswith(endings)}, Counter())
        parts.append(_by_name(folder, chosen, endings, contents, None))
    note = listing.note()
    return parts[0], parts[1], [f'images and labels are in one folder: {said}', *([note] if note else [])]


def _said(match: Match) -> list[str]:
    """How names were compared, where it is not by what they have in common alone."""
    fronts = [
        f'{side} names without {front!r} in front'
        for side, front in (('image', match.image_front), ('label', match.label_front))
        if front
    ]
    text = ' and '.join([*fronts, *([match.rule] if match.rule else [])])
    return [f'to find pairs: {text}'] if text else []


def _bare(suffix: str | None) -> str | None:
    """A suffix without a file ending."""
    if suffix is None:
        return None
    bare, ending = os.path.splitext(f'x{suffix}')
    return bare[1:] if ending.lower() in (*PICTURES, *LABELS) else suffix


def _inside(inner: str, outer: str) -> bool:
    """Whether a folder lies below another."""
    return os.path.realpath(inner).startswith(os.path.realpath(outer).rstrip(os.sep) + os.sep)
