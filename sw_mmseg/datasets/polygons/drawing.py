"""Outlines to label files: which shapes an image has, and the ids of their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sw_mmseg.files import whole_file, write_encoded

from ..class_parsing import parse_class_table
from ..class_table import ClassTable
from ..errors import DatasetError
from ..labels import IGNORE

__all__ = ['Drawing', 'Shape', 'draw', 'write_label_files']

BACKGROUND = 'background'
MOST = 254  # names that 8-bit ids have room for, beside background and void
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Shape:
    """What a name covers: polygons of (x, y) in pixels, corners included as Pillow fills them; or a mask (H, W) bool.

    `name` None is void: pixels that are no class. `circle` has the centre and a point of the edge.
    """

    name: str | None
    polygons: tuple[Points, ...] = ()
    mask: np.ndarray | None = None
    circle: Points | None = None


@dataclass(frozen=True)
class Drawing:
    """The shapes of one image, in the order in which they are drawn; later ones cover earlier ones."""

    name: str  # path below the images' folder, without ending
    width: int
    height: int
    shapes: tuple[Shape, ...] = field(default=())


def draw(drawing: Drawing, ids: dict[str, int]) -> np.ndarray:
    """Ids (H, W) uint8: 0 where no shape is, 255 where void is."""
    canvas = Image.new('L', (drawing.width, drawing.height))
    pen = ImageDraw.Draw(canvas)
    for shape in drawing.shapes:
        value = IGNORE if shape.name is None else ids[shape.name]
        for points in shape.polygons:
            pen.polygon([tuple(point) for point in points], fill=value, outline=value)
        if shape.circle is not None:
            (x, y), (u, v) = shape.circle
            radius = float(np.hypot(u - x, v - y))
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=value, outline=value)
        if shape.mask is not None:
            canvas.paste(value, (0, 0), Image.fromarray(shape.mask.astype(np.uint8) * 255))
    return np.asarray(canvas)


def write_label_files(drawings: Iterable[Drawing], folder: Path, names: Sequence[str]) -> ClassTable:
    """Writes FOLDER/NAME.png for each drawing. Returns the class table of the ids: background 0, then `names`.

    Raises:
        DatasetError: more names than ids.
    """
    if len(names) > MOST:
        raise DatasetError(f'the outlines have {len(names)} names; at most {MOST} are possible')
    if not names:
        raise DatasetError('no outline has a name: there is nothing to learn')
    ids = {name: number for number, name in enumerate(names, 1)}
    for drawing in drawings:
        path = folder / f'{drawing.name}.png'
        with whole_file(path) as part:
            write_encoded(part, partial(Image.fromarray(draw(drawing, ids)).save, format='PNG'))
    first = BACKGROUND if BACKGROUND not in ids else f'{BACKGROUND} (in no outline)'
    return parse_class_table({'classes': {first: 0, **ids}}, 'the outlines')
