"""Which kind of outlines a path holds, and all of them drawn."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from sw_mmseg.files import refuse_special

from ..class_table import ClassTable
from ..errors import DatasetError
from ..folder_files import PICTURES, list_folder, stem
from ..image_pairs import LABELS
from .coco import read_coco
from .drawing import write_label_files
from .labelme import NOTHING, read_labelme
from .yolo import read_yolo, yolo_names

__all__ = ['draw_polygons', 'polygon_format']


def polygon_format(images: str, labels: str) -> str | None:
    """'labelme', 'coco' or 'yolo'; None where labels are no outlines, or are there as label files as well."""
    if os.path.isfile(labels) and labels.lower().endswith('.json'):
        return _json_format(labels)
    if not os.path.isdir(labels) or not os.path.isdir(images):
        return None
    listing = list_folder(labels, ('.json', '.txt', *LABELS), 'labels')
    texts = [name for name in listing.files if name.lower().endswith(('.json', '.txt'))]
    if os.path.realpath(images) == os.path.realpath(labels):
        pictures = {stem(name) for name in list_folder(images, PICTURES).files}
        texts = [name for name in texts if stem(name) in pictures]
        if 2 * len(texts) < len(pictures):
            return None
    elif len(texts) < len(listing.files):
        return None
    kinds = [name for name in texts if name.lower().endswith('.json')]
    if kinds:
        return _json_format(listing.files[kinds[0]])
    return 'yolo' if texts else None


def draw_polygons(images: str, labels: str, folder: Path) -> tuple[ClassTable, list[str], list[str]]:
    """Draws all outlines into label files in `folder`.

    Names get the ids 1, 2 ... in the order of COCO's or YOLO's list of them, else of the alphabet: two sets agree in
    their names, not in these ids.

    Args:
        images: the folder of the images.
        labels: COCO's file, or the folder of labelme's, YOLO's or COCO's.
        folder: what is written to: NAME.png of every image that has outlines, or a file that says that it has none.

    Returns:
        The class table, the names that outlines have, and what there is to say.

    Raises:
        DatasetError: what a file lacks, or no image with outlines.
    """
    kind = polygon_format(images, labels)
    if kind is None:
        raise DatasetError(f'{labels} holds no outlines: no JSON file of labelme or COCO, and no text of YOLO')
    pictures = list_folder(images, PICTURES).files
    drawings, left_out, known = _read(kind, pictures, labels)
    if not drawings:
        raise DatasetError(f'no outlines in {labels} belong to an image in {images}: both must have the same names')
    seen = {shape.name for drawing in drawings for shape in drawing.shapes if shape.name is not None} - {NOTHING}
    kept = [type(d)(d.name, d.width, d.height, tuple(s for s in d.shapes if s.name != NOTHING)) for d in drawings]
    table = write_label_files(kept, folder, known or sorted(seen))
    notes = [
        f'labels are outlines ({kind}): {len(kept)} files were drawn into {folder}; what lies in none is background'
    ]
    notes += [
        f'{count} shapes of the kind {shape_kind} have no area and were not drawn'
        for shape_kind, count in left_out.items()
    ]
    return table, sorted(seen), notes


def _read(kind: str, pictures: dict[str, str], labels: str) -> tuple[list, Counter[str], list[str] | None]:
    left_out: Counter[str] = Counter()
    if kind == 'coco':
        path = labels if os.path.isfile(labels) else _one_json(labels)
        drawings, known = read_coco(path, {file: stem(file) for file in pictures})
        return drawings, left_out, list(dict.fromkeys(known))
    ending = '.json' if kind == 'labelme' else '.txt'
    files = {stem(name): path for name, path in list_folder(labels, (ending,), 'labels').files.items()}
    names = yolo_names(labels) if kind == 'yolo' else {}
    drawings = []
    for file, image in pictures.items():
        path = files.get(stem(file))
        if path is None:
            continue
        if kind == 'yolo':
            drawings.append(read_yolo(path, stem(file), image, names))
        else:
            drawing, more = read_labelme(path, stem(file), image)
            drawings.append(drawing)
            left_out.update(more)
    return drawings, left_out, list(dict.fromkeys(names.values())) or None


def _one_json(folder: str) -> str:
    files = list(list_folder(folder, ('.json',), 'labels').files.values())
    if len(files) > 1:
        raise DatasetError(f'{folder} holds {len(files)} JSON files of COCO: give the one that is meant')
    return files[0]


def _json_format(path: str) -> str:
    try:
        refuse_special(path)
        with open(path, encoding='utf-8-sig') as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path} is no JSON ({error}): was it cut short?') from error
    if isinstance(content, dict) and 'shapes' in content:
        return 'labelme'
    if isinstance(content, dict) and {'images', 'annotations', 'categories'} <= set(content):
        return 'coco'
    keys = ', '.join(list(content)[:4]) if isinstance(content, dict) else type(content).__name__
    raise DatasetError(
        f'{path} is a JSON file of a kind that is not read (it has {keys}). Outlines of labelme and '
        'COCO are; most programs for annotation export COCO'
    )
