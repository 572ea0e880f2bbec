"""YOLO's files for segmentation: one text beside each image, a line an object, "CLASS x1 y1 x2 y2 ..." from 0 to 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from ..errors import DatasetError
from ..file_head import read_head
from .drawing import Drawing, Shape

__all__ = ['read_yolo', 'yolo_names']


def read_yolo(path: str, name: str, image: str, names: dict[int, str]) -> Drawing:
    """The shapes of one image; `names` by class number. Raises `DatasetError`: no such file, or boxes alone."""
    width, height = read_head(image).size
    shapes = []
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'label file {path} cannot be read ({error})') from error
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            values = [float(word) for word in words[1:]]
            label = int(words[0])
        except ValueError:
            raise DatasetError(
                f'{path}:{number} must read "CLASS x1 y1 x2 y2 ...", as YOLO writes outlines, not {line[:60]!r}'
            ) from None
        if len(values) == 4:
            raise DatasetError(
                f'{path}:{number} is a box (CLASS x y width height): labels for segmentation need '
                'outlines (a model such as SAM makes outlines of boxes)'
            )
        if len(values) < 6 or len(values) % 2 or not all(-0.01 <= value <= 1.01 for value in values):
            raise DatasetError(f'{path}:{number} must have three or more points, each coordinate between 0 and 1')
        points = np.reshape(values, (-1, 2)) * (width, height)
        shapes.append(Shape(names.get(label, f'class {label}'), (points.tolist(),)))
    return Drawing(name, width, height, tuple(shapes))


def yolo_names(folder: str) -> dict[int, str]:
    """Class names by number, of a data.yaml or classes.txt in the folder or up to two above it; may be none."""
    for place in (Path(folder), *list(Path(folder).resolve().parents)[:2]):
        for file in sorted(place.glob('*.y*ml')):
            try:
                content = yaml.safe_load(file.read_text(encoding='utf-8'))
            except (OSError, UnicodeDecodeError, yaml.YAMLError):
                continue
            names = content.get('names') if isinstance(content, dict) else None
            if isinstance(names, list):
                return dict(enumerate(map(str, names)))
            if isinstance(names, dict):
                try:
                    return {int(number): str(name) for number, name in names.items()}
                except (TypeError, ValueError) as error:
                    raise DatasetError(f'{file}: names must have numbers, as 0: car ({error})') from error
        file = place / 'classes.txt'
        if file.is_file():
            lines = map(str.strip, file.read_text(encoding='utf-8-sig', errors='replace').splitlines())
            return dict(enumerate(line for line in lines if line))
    return {}
