"""Which label file belongs to which image: by their paths below two folders, without the ending.

Names may differ at the end: `a/01_leftImg8bit.png` and `a/01_gtFine_labelIds.png`, `01_image.jpg` and `01_label.png`.
Such suffixes are given, or found: of the ends that begin at `_`, `-`, `.` or a blank, the two that match most files.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import DatasetError
from .unlabelled import PICTURES

LABELS = ('.png', '.tif', '.tiff', '.bmp', '.webp', '.gif', '.ppm', '.pgm')  # a JPEG changes ids at every edge
SEPARATORS = '_-. '
MAX_ENDS = 8  # common ends of image names that are tried
# what the end of a label file's name says, where several files an image match; a lower number is preferred
PREFERENCES = (('labelids', 0), ('color', 3), ('colour', 3), ('instance', 3), ('overlay', 3), ('rgb', 3), ('vis', 3))


@dataclass(frozen=True)
class Pairs:
    """What was found. `samples`: (name, image, label); `name` is the image's path without folder and ending."""

    samples: tuple[tuple[str, str, str], ...]
    image_suffix: str
    label_suffix: str
    without_label: tuple[str, ...]  # names of images
    without_image: tuple[str, ...]  # names of label files

    def compared(self) -> str:
        """How names were compared, for an error."""
        parts = [f'{what} names end with {suffix!r}'
                 for what, suffix in (('image', self.image_suffix), ('label', self.label_suffix)) if suffix]
        return ('paths without the file ending' + (f', where {" and ".join(parts)}' if parts else '')
                + '; --image-suffix and --label-suffix say otherwise')


def find_pairs(images: str, labels: str, image_suffix: str | None = None, label_suffix: str | None = None) -> Pairs:
    """Images with their label files, in the order of their names.

    Raises:
        DatasetError: a folder is missing or empty, nothing matches, or two files would be the same sample.
    """
    if image_suffix is None and os.path.realpath(images) == os.path.realpath(labels):
        raise DatasetError(f'images and labels are in one folder, {images}: say how their names end, for instance '
                           '--image-suffix _image --label-suffix _label')
    pictures = list_files(images, PICTURES, 'images', image_suffix)
    maps = list_files(labels, LABELS, 'labels', label_suffix)
    image_end, label_end = find_suffixes(list(pictures), list(maps), image_suffix, label_suffix)
    wanted = {name: name[:len(name) - len(image_end)] + label_end if name.endswith(image_end) else None
              for name in pictures}
    samples = tuple((name, path, maps[wanted[name]]) for name, path in pictures.items() if wanted[name] in maps)
    used = {wanted[name] for name, _, _ in samples}
    found = Pairs(samples, image_end, label_end, tuple(name for name in pictures if wanted[name] not in maps),
                  tuple(name for name in maps if name not in used))
    if not samples:
        raise DatasetError(f'no label file in {labels} belongs to an image in {images}: an image is called '
                           f'{next(iter(pictures))!r}, a label file {next(iter(maps))!r}; compared were '
                           f'{found.compared()}')
    return found


def list_files(folder: str, endings: tuple[str, ...], what: str, suffix: str | None = None) -> dict[str, str]:
    """Name (path below `folder`, without ending, with '/') -> path, of all files there; hidden ones are left out."""
    if not os.path.isdir(folder):
        raise DatasetError(f'folder {folder} is missing: it must hold the {what}, in any tree of folders')
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.')]
        for file in names:
            stem, ending = os.path.splitext(file)
            if ending.lower() not in endings or file.startswith('.') or not stem.endswith(suffix or ''):
                continue
            path = os.path.join(place, file)
            name = Path(path).relative_to(folder).with_suffix('').as_posix()
            if name in found:
                raise DatasetError(f'{found[name]} and {path} differ only in their ending: which one is meant?')
            found[name] = path
    if not found:
        ends = f' whose name ends with {suffix!r}' if suffix else ''
        hint = ' (JPEG is no format for labels: it changes ids at every edge)' if what == 'labels' else ''
        raise DatasetError(f'{folder} holds no {what}{ends}: no file with {", ".join(endings)}{hint}')
    return dict(sorted(found.items()))


def find_suffixes(
    images: list[str], labels: list[str], image_suffix: str | None = None, label_suffix: str | None = None
) -> tuple[str, str]:
    """The ends of image and label names behind which they agree.

    Raises:
        DatasetError: several kinds of label files match the images equally well.
    """
    image_ends = [image_suffix] if image_suffix is not None else common_ends(images)
    best: tuple[tuple, str, Counter] | None = None
    for image_end in image_ends:
        keys = {name[:len(name) - len(image_end)] for name in images if name.endswith(image_end)}
        counts = Counter(end for name in labels for key, end in splits(name)
                         if key in keys and label_suffix in (None, end))
        if counts:
            most = max(counts.values())
            rank = (most, -min(preference(end) for end, n in counts.items() if n == most), -len(image_end))
            if best is None or rank > best[0]:
                best = rank, image_end, counts
    if best is None:
        return image_suffix or '', label_suffix or ''
    (most, _, _), image_end, counts = best
    equal = sorted((end for end, count in counts.items() if count == most), key=lambda end: (preference(end), end))
    if len(equal) > 1 and preference(equal[0]) == preference(equal[1]):
        raise DatasetError(f'{most} images have several label files each, with names that end with '
                           f'{", ".join(map(repr, equal))}: say which with --label-suffix')
    return image_end, equal[0]


def common_ends(names: list[str]) -> list[str]:
    """'' and the ends that at least half of the names share, the commonest first."""
    counts = Counter(end for name in names for _, end in splits(name))
    return [end for end, count in counts.most_common(MAX_ENDS) if 2 * count >= len(names)]


def splits(name: str) -> Iterator[tuple[str, str]]:
    """(beginning, end) of a name, for the empty end and each end that begins with a separator."""
    yield name, ''
    first = name.rfind('/') + 2  # at least one character of the file's name stays
    for place in range(first, len(name)):
        if name[place] in SEPARATORS:
            yield name[:place], name[place:]


def preference(end: str) -> int:
    """0 for no end and for ids, 1 for other ends, 3 for the ends of pictures that show labels or objects."""
    if not end:
        return 0
    return next((rank for word, rank in PREFERENCES if word in end.lower()), 1)
