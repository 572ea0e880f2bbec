"""labelme's files: one JSON beside each image, with named polygons, rectangles, circles and masks."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter

import numpy as np
from PIL import Image

from sw_mmseg.files import refuse_special

from ..errors import DatasetError
from ..file_head import read_head
from .drawing import Drawing, Shape

__all__ = ['NOTHING', 'read_labelme']

# what JSON of any form, and Pillow of the mask in it, may raise
DAMAGED = (
    ArithmeticError,
    AttributeError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
NOTHING, VOID = '_background_', '__ignore__'  # labelme's own names


def read_labelme(path: str, name: str, image: str) -> tuple[Drawing, Counter[str]]:
    """The shapes of one image, and how many were left out, by their kind.

    Args:
        path: the JSON file.
        name: the image's, for the drawing.
        image: the image file, whose size counts where the JSON file has none.

    Raises:
        DatasetError: no file of labelme's, or a damaged one.
    """
    try:
        refuse_special(path)
        with open(path, encoding='utf-8-sig') as file:
            content = json.load(file)
        height, width = content.get('imageHeight'), content.get('imageWidth')
        if not (height and width):
            width, height = read_head(image).size
        shapes, left_out = [], Counter()
        for entry in content['shapes']:
            shape = _shape(entry, int(width), int(height))
            if shape is None:
                left_out[str(entry.get('shape_type'))] += 1
            else:
                shapes.append(shape)
    except DatasetError:
        raise
    except DAMAGED as error:
        raise DatasetError(f'label file {path} cannot be read as labelme writes it ({error!r})') from error
    return Drawing(name, int(width), int(height), tuple(shapes)), left_out


def _shape(entry: dict, width: int, height: int) -> Shape | None:
    """One shape; None for lines and points, which have no area."""
    label = str(entry['label'])
    name = None if label == VOID else label
    points = [(float(x), float(y)) for x, y in entry['points']]
    kind = entry.get('shape_type') or 'polygon'
    if kind == 'polygon' and len(points) > 2:
        return Shape(name, (points,))
    if kind == 'rectangle' and len(points) == 2:
        (x, y), (u, v) = points
        return Shape(name, ([(x, y), (u, y), (u, v), (x, v)],))
    if kind == 'circle' and len(points) == 2:
        return Shape(name, circle=points)
    if kind == 'mask':
        part = np.asarray(Image.open(io.BytesIO(base64.b64decode(entry['mask'])))).astype(bool)
        left, top = (round(value) for value in points[0])
        mask = np.zeros((height, width), bool)
        space = mask[top : top + part.shape[0], left : left + part.shape[1]]
        space[:] = part[: space.shape[0], : space.shape[1]]
        return Shape(name, mask=mask)
    return None
