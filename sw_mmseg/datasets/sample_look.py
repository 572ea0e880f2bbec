"""A look at one image and its label file: sizes, faults, what is in them. `label_scan` adds such looks up."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from .errors import DatasetError
from .file_head import SWAPPED, Head, read_head
from .image_file import ImageFile, read_image
from .label_file import NUMPY, read_label
from .label_frames import edges_on_borders
from .label_kinds import LabelCounts, count_label

__all__ = ['Bands', 'FEW', 'NO_LIMITS', 'Limits', 'Look', 'Sample', 'Size', 'is_complete', 'look']

Size = tuple[int, int]  # width, height
Limits = tuple[int, float]  # least pixels of the short side, most of the long one, as a multiple of it
NO_LIMITS: Limits = (1, float('inf'))
Bands = tuple[tuple[int, ...], int]  # red, green and blue; of how many
Sample = tuple[str, str, str | None]  # name, image, label file or None
FEW = 32  # values that a drawing of classes has at most, and no photograph
LOOKED_AT = 1 << 14  # pixels, in which they are counted


@dataclass(frozen=True)
class Look:
    """What one sample shows. Without a fault, `size` is the image's as shown."""

    size: Size | None
    fault: str | None = None
    labels: LabelCounts | None = None
    image_notes: tuple[str, ...] = ()
    label_notes: tuple[str, ...] = ()
    peak: float | None = None  # the largest value of a deep image
    floating: bool = False
    flat: str = ''  # 'grey' or 'colour' where the image has as few values as a drawing of classes has
    frame: str = ''  # of labels beside a turned image: 'shown', 'stored', or 'either' by their sizes
    edges: tuple[float, float] | None = None


def look(sample: Sample, whole: bool, limits: Limits = NO_LIMITS, bands: Bands | None = None) -> Look:
    """Looks at a sample; `whole`, at its pixels too. An image outside the `limits` is faulty."""
    _, image, label = sample
    try:
        chosen, of = bands or (None, None)
        image_file = read_image(image, bands=chosen, bands_of=of) if whole else None
        head = image_file.head if image_file else read_head(image)
        if image_file is None and not is_complete(head):
            image_file = read_image(image, bands=chosen, bands_of=of)
        _keep_limits(image, head.size, limits)
        seen = Look(head.size) if image_file is None else _of_image(image_file)
        return seen if label is None else _with_label(seen, head, image_file if whole else None, image, label)
    except DatasetError as error:
        return Look(None, str(error))


def _keep_limits(path: str, size: Size, limits: Limits) -> None:
    least, ratio = limits
    text = f'image {path} is {size[0]}x{size[1]}: '
    if min(size) < least:
        raise DatasetError(f'{text}at least {least} pixels a side are needed')
    if max(size) > ratio * min(size):
        raise DatasetError(f'{text}its long side may be {ratio:g} times the short one. Cut it into pieces')


def is_complete(head: Head) -> bool:
    """Whether a file ends as its format does. False: it may be cut short, and its pixels will tell."""
    size = os.path.getsize(head.path)
    with open(head.path, 'rb') as file:
        start = file.read(16)
        file.seek(max(0, size - 64))
        end = file.read()
    if head.format == 'PNG':
        return b'IEND' in end
    if head.format == 'JPEG':
        return b'\xff\xd9' in end
    if head.format == 'WebP':
        return int.from_bytes(start[4:8], 'little') + 8 <= size
    if head.format == 'BMP':
        return int.from_bytes(start[2:6], 'little') <= size
    return head.format == 'GIF' and end.rstrip(b'\0').endswith(b';')


def _of_image(image_file: ImageFile) -> Look:
    floating = image_file.peak is not None and image_file.head.sample == 'float'
    return Look(
        image_file.head.size,
        image_notes=image_file.notes,
        peak=image_file.peak,
        floating=floating,
        flat=_flat(image_file),
    )


def _with_label(seen: Look, head: Head, image: ImageFile | None, path: str, label: str) -> Look:
    """The same with the label file; of which the head alone is read where the image was not."""
    label_file = None
    if image is not None or label.lower().endswith(NUMPY):
        label_file = read_label(label)
        label_head, size = label_file.head, (label_file.values.shape[1], label_file.values.shape[0])
    else:
        label_head = read_head(label, kind='label file')
        label_file = None if is_complete(label_head) else read_label(label)
        size = label_head.size
    turned = head.orientation != 1 and (label_head is None or label_head.orientation == 1)
    stored = turned and head.orientation in SWAPPED and size == (head.width, head.height)
    if size != head.size and not stored:
        return replace(seen, fault=f'{label} is {size[0]}x{size[1]}, its image {path} {head.size[0]}x{head.size[1]}')
    if turned:
        both = size in (head.size[::-1], head.size) and (head.orientation not in SWAPPED or size[0] == size[1])
        frame = 'either' if both else 'stored' if stored else 'shown'
        edges = edges_on_borders(image.pixels, label_file.values, head.orientation) if image and both else None
        seen = replace(seen, frame=frame, edges=edges)
    if image is None:
        return seen
    return replace(seen, labels=count_label(label_file), label_notes=label_file.notes)


def _flat(image_file: ImageFile) -> str:
    """'grey' or 'colour' where an image has few values, else ''."""
    step = max(1, int((image_file.pixels.shape[0] * image_file.pixels.shape[1] / LOOKED_AT) ** 0.5))
    pixels = image_file.pixels[::step, ::step].reshape(-1, 3)
    if image_file.head.space == 'grey':
        return 'grey' if len(np.unique(pixels[:, 0])) <= FEW else ''
    few = len(np.unique(pixels.astype(np.int64) @ [65536, 256, 1])) <= FEW
    return ('grey' if image_file.head.space == 'palette' else 'colour') if few else ''
