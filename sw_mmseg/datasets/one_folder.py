"""Images and their labels in one tree of folders: which file is which.

`0.jpg` beside `0.png`, `0.png` beside `0_mask.png`, `img_0.png` beside `mask_0.png`, `images/0.png` beside
`masks/0.png`: the two kinds of names that differ in one place and form most pairs are taken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from os.path import splitext

from .errors import DatasetError
from .name_matching import fronts_of, preference, splits

__all__ = ['divide']

LABEL_WORDS = ('label', 'mask', 'gt', 'seg', 'annot', 'ground', 'truth', 'target', 'class', 'trainid', '_l', 'lbl')
IMAGE_WORDS = ('image', 'img', 'rgb', 'photo', 'leftimg', 'frame', 'input', 'jpg', 'jpeg')
LOSSY = ('.jpg', '.jpeg', '.jfif')


def divide(
    names: list[str], image_suffix: str | None = None, label_suffix: str | None = None
) -> tuple[list[str], list[str], str]:
    """File names (with endings) of images, of labels, and how they were told apart.

    Raises:
        DatasetError: no two kinds of names belong together.
    """
    if label_suffix or image_suffix:
        labels = {name for name in names if _ends(name, label_suffix or '')}
        images = {name for name in names if _ends(name, image_suffix or '')}
        images, labels = (images - labels, labels) if label_suffix else (images, labels - images)
        end = f'labels are called ...{label_suffix}' if label_suffix else f'images are called ...{image_suffix}'
        return sorted(images), sorted(labels), end
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name in names:
        for kind, key, token in _views(name):
            groups[kind, key][token] = name
    counts: Counter[tuple[str, str, str]] = Counter()
    for (kind, _), tokens in groups.items():
        ordered = sorted(tokens)
        counts.update((kind, a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :] if _sided(a, b))
    if not counts:
        return _by_folders(names)
    kind, first, second = max(counts, key=lambda pair: (counts[pair], _rank(pair)))
    image, label = (first, second) if _is_label(second, first) else (second, first)
    images, labels = (
        {tokens[token] for (group, _), tokens in groups.items() if group == kind and token in tokens}
        for token in (image, label)
    )
    if label:
        images -= labels
    else:
        labels -= images
    return (
        sorted(images),
        sorted(labels),
        f'images have {image!r} in their names, labels {label!r}'
        if image
        else (f'labels have {label!r} in their names'),
    )


def _by_folders(names: list[str]) -> tuple[list[str], list[str], str]:
    """By folders whose names say what is in them, where the files' names differ as well."""
    levels = max(name.count('/') for name in names)
    for level in range(levels):
        tokens = {name.split('/')[level] for name in names if name.count('/') > level}
        for label in sorted(tokens):
            image = next(
                (
                    token
                    for token in sorted(tokens)
                    if _is_label(label, token)
                    and not _is_label(token, label)
                    and any(word in token.lower() for word in IMAGE_WORDS)
                ),
                None,
            )
            if image and any(word in label.lower() for word in LABEL_WORDS):
                parts = [
                    [name for name in names if name.count('/') > level and name.split('/')[level] == token]
                    for token in (image, label)
                ]
                return parts[0], parts[1], f'images are below {image!r}, labels below {label!r}'
    raise DatasetError(
        'no two kinds of names belong together, such as 01.png and 01_mask.png; --label-suffix _mask '
        'says how names of labels end'
    )


def _views(name: str) -> Iterator[tuple[str, str, str]]:
    """(kind, key, token): the name without one part of it, and that part."""
    bare, ending = splitext(name)
    yield 'ending', bare, ending.lower()
    for key, end in splits(bare):
        yield 'end', key, end
    for front, key in fronts_of(bare):
        yield 'front', key, front
    parts = bare.split('/')
    for level in range(len(parts) - 1):
        yield 'folder', '/'.join([*parts[:level], '*', *parts[level + 1 :]]), parts[level]


def _sided(a: str, b: str) -> bool:
    """Whether it can be told which of two kinds of names is the labels'."""
    if _is_label(a, b) == _is_label(b, a):
        return False
    image = b if _is_label(a, b) else a
    return preference(image) < 3 or any(word in image.lower() for word in IMAGE_WORDS)  # no drawing of labels


def _is_label(a: str, b: str) -> bool:
    """Whether `a`, beside `b`, says that a file holds labels."""
    if a in LOSSY or b in LOSSY:
        return a not in LOSSY
    scores = [
        sum(word in text.lower() for word in LABEL_WORDS) - sum(word in text.lower() for word in IMAGE_WORDS)
        for text in (a, b)
    ]
    return scores[0] > scores[1]


def _rank(pair: tuple[str, str, str]) -> tuple[int, int]:
    """Which of two equally common pairs is meant: the one whose label names ids, then the shorter."""
    _, first, second = pair
    label = second if _is_label(second, first) else first
    return -preference(label), -len(first) - len(second)


def _ends(name: str, suffix: str) -> bool:
    return splitext(name)[0].endswith(suffix) or name.endswith(suffix)
