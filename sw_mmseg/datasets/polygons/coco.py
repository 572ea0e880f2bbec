"""COCO's annotation file: one JSON for all images, with polygons or run lengths of every object."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np

from sw_mmseg.files import refuse_special

from ..errors import DatasetError
from .drawing import Drawing, Shape

__all__ = ['read_coco']


def read_coco(path: str, images: dict[str, str]) -> tuple[list[Drawing], list[str]]:
    """The shapes of all images that the file and the folder have, larger ones below smaller ones; and all names.

    Args:
        path: the JSON file.
        images: names of the folder's images, by their path below it with its ending.

    Raises:
        DatasetError: no file of COCO's, without outlines, or about other images.
    """
    try:
        refuse_special(path)
        with open(path, encoding='utf-8-sig') as file:
            content = json.load(file)
        categories = {entry['id']: str(entry['name']) for entry in content['categories']}
        objects = defaultdict(list)
        for entry in content['annotations']:
            objects[entry['image_id']].append(entry)
        names = _names(images)
        drawings = []
        for entry in content['images']:
            name = names.get(entry['file_name']) or names.get(entry['file_name'].rpartition('/')[2])
            if name is not None:
                size = int(entry['width']), int(entry['height'])
                ordered = sorted(objects[entry['id']], key=_area, reverse=True)
                shapes = [_shape(one, categories[one['category_id']]) for one in ordered]
                drawings.append(Drawing(name, *size, tuple(shapes)))
    except DatasetError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f'{path} cannot be read as COCO writes it ({error!r})') from error
    if not drawings:
        first = content['images'][0]['file_name'] if content['images'] else 'none'
        raise DatasetError(
            f'{path} names {len(content["images"])} images, such as {first}, and none of them is in the '
            'folder of images'
        )
    return drawings, list(categories.values())


def _names(images: dict[str, str]) -> dict[str, str]:
    """Names by path, and by the file's name alone where only one image has it."""
    names: dict[str, str] = {}
    several = set()
    for path, name in images.items():
        base = path.rpartition('/')[2]
        if base in names:
            several.add(base)
        names[base] = name
    return {**{base: name for base, name in names.items() if base not in several}, **images}


def _area(entry: dict) -> float:
    if entry.get('area'):
        return float(entry['area'])
    box = entry.get('bbox') or (0, 0, 0, 0)
    return float(box[2] * box[3])


def _shape(entry: dict, name: str) -> Shape:
    outline = entry.get('segmentation')
    if isinstance(outline, dict):
        return Shape(name, mask=_runs(outline))
    if not outline:
        raise DatasetError(
            f"object {entry.get('id')} of COCO's file has a box and no outline: labels for "
            'segmentation need one (a model such as SAM makes outlines of boxes)'
        )
    return Shape(name, tuple(np.reshape(part, (-1, 2)).tolist() for part in outline if len(part) >= 6))


def _runs(outline: dict) -> np.ndarray:
    """(H, W) bool of run lengths, which go down the columns."""
    height, width = outline['size']
    counts = outline['counts']
    if isinstance(counts, str):
        try:
            from pycocotools import mask as coco_mask  # of mmdet's, which segmentation does without
        except ImportError as error:
            raise DatasetError("COCO's file has compressed run lengths: pip install pycocotools") from error
        return coco_mask.decode({'size': [height, width], 'counts': counts.encode('ascii')}).astype(bool)
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T
