"""Which label's name belongs to which image's name, where names differ in front, behind, or in their folders.

Names are paths below a folder, without the file's ending. `a/01_leftImg8bit` and `a/01_gtFine_labelIds` differ behind,
`img_01` and `mask_01` in front, `rgb/01` and `seg/01` in a folder. The plainest rule that matches most names is taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .errors import DatasetError

__all__ = ['Match', 'common_ends', 'find_suffixes', 'fronts_of', 'match_names', 'preference', 'splits']

SEPARATORS = '_-. '
MAX_ENDS = 8  # common ends of image names that are tried
MAX_FRONTS = 3  # common beginnings of names that are tried
# what the end of a label file's name says, where several files an image match; a lower number is preferred
PREFERENCES = (('labelids', 0), ('color', 3), ('colour', 3), ('instance', 3), ('overlay', 3), ('rgb', 3), ('vis', 3))


@dataclass(frozen=True)
class Match:
    """Image name -> label name, and the rule: what was cut off before names were compared."""

    labels: dict[str, str] = field(default_factory=dict)
    image_front: str = ''
    image_end: str = ''
    label_front: str = ''
    label_end: str = ''
    rule: str = ''


def match_names(
    images: list[str], labels: list[str], image_end: str | None = None, label_end: str | None = None
) -> Match:
    """The plainest rule that matches at least half of the names, or else the one that matches most.

    Raises:
        DatasetError: several kinds of label files match the images equally well.
    """
    best = Match(image_end=image_end or '', label_end=label_end or '')
    enough = max(1, min(len(images), len(labels)) / 2)
    for rule, change in RULES:
        changed = _changed(images, change), _changed(labels, change)
        if None in changed:
            continue
        for image_front in _fronts(changed[0]):
            for label_front in _fronts(changed[1]):
                match = _match(*changed, image_front, label_front, image_end, label_end, rule)
                if len(match.labels) > len(best.labels):
                    best = match
                if len(best.labels) >= enough:
                    return best
    return best


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
        keys = {name[: len(name) - len(image_end)] for name in images if name.endswith(image_end)}
        counts = Counter(
            end for name in labels for key, end in splits(name) if key in keys and label_suffix in (None, end)
        )
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
        raise DatasetError(
            f'{most} images have several label files each, with names that end with '
            f'{", ".join(map(repr, equal))}: say which with --label-suffix'
        )
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


def fronts_of(name: str) -> Iterator[tuple[str, str]]:
    """(front, rest) of a file's name for each front that ends with a separator or before the first digit."""
    folder, _, file = name.rpartition('/')
    for place in range(1, len(file)):
        if file[place - 1] in SEPARATORS or file[place].isdigit() > file[place - 1].isdigit():
            yield file[:place], f'{folder}/{file[place:]}' if folder else file[place:]


def preference(end: str) -> int:
    """0 for no end and for ids, 1 for other ends, 3 for the ends of pictures that show labels or objects."""
    if not end:
        return 0
    return next((rank for word, rank in PREFERENCES if word in end.lower()), 1)


def _match(
    images: dict[str, str],
    labels: dict[str, str],
    image_front: str,
    label_front: str,
    image_end: str | None,
    label_end: str | None,
    rule: str,
) -> Match:
    """By one rule, with one front cut off each kind of names."""
    stripped = [_without_front(names, front) for names, front in ((images, image_front), (labels, label_front))]
    ends = find_suffixes(list(stripped[0]), list(stripped[1]), image_end, label_end)
    pairs = {}
    for key, name in stripped[0].items():
        partner = key[: len(key) - len(ends[0])] + ends[1]
        if key.endswith(ends[0]) and partner in stripped[1]:
            pairs[name] = stripped[1][partner]
    return Match(pairs, image_front, ends[0], label_front, ends[1], rule)


def _without_front(names: dict[str, str], front: str) -> dict[str, str]:
    """Key without the front -> name, of those that have it."""
    if not front:
        return names
    remainders = {}
    for key, name in names.items():
        folder, slash, file = key.rpartition('/')
        if file.startswith(front) and len(file) > len(front):
            remainders[f'{folder}{slash}{file[len(front) :]}'] = name
    return remainders


def _fronts(names: dict[str, str]) -> list[str]:
    """'' and fronts that at least half of the names share, the longest first."""
    counts = Counter(front for name in names for front, _ in fronts_of(name))
    common = sorted((front for front, count in counts.items() if 2 * count >= len(names)), key=len, reverse=True)
    return ['', *common[:MAX_FRONTS]]


def _changed(names: list[str], change: Callable[[list[str]], list[str]]) -> dict[str, str] | None:
    """Changed name -> name; None where two names become one."""
    keys = change(names)
    originals = dict(zip(keys, names))
    return originals if len(originals) == len(names) else None


def _composed(names: list[str]) -> list[str]:
    """One spelling of letters with accents, which file systems write in two ways."""
    return [unicodedata.normalize('NFC', name) for name in names]


def _without_constant_folders(names: list[str]) -> list[str]:
    """Without the folders that all names have in the same place."""
    parts = [name.split('/') for name in _composed(names)]
    depth = min(map(len, parts)) - 1
    same_depth = depth == max(map(len, parts)) - 1
    constant = [len({part[level] for part in parts}) == 1 for level in range(depth)]
    if not same_depth:  # the folders at the beginning alone
        constant = [all(constant[: level + 1]) for level in range(depth)]
    return [
        '/'.join(piece for level, piece in enumerate(part) if level >= depth or not constant[level]) for part in parts
    ]


def _base_names(names: list[str]) -> list[str]:
    return [name.rpartition('/')[2] for name in _composed(names)]


def _small_letters(names: list[str]) -> list[str]:
    return [name.casefold() for name in _without_constant_folders(names)]


def _plain_numbers(names: list[str]) -> list[str]:
    return [re.sub(r'\d+', lambda match: str(int(match[0])), name) for name in _without_constant_folders(names)]


RULES = (
    ('', _composed),
    ('folders that all names have in common were left out', _without_constant_folders),
    ('folders were left out', _base_names),
    ('capital letters count as small ones', _small_letters),
    ('numbers were compared without leading zeros', _plain_numbers),
)
