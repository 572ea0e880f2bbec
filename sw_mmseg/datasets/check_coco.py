"""Looks at data in COCO's format before any training: what is missing, what a file lacks, and what to do about it.

mmdet's data sets find a missing annotation file when they are built, and a missing or broken picture when its turn
comes. Here a config's data set is checked without building it.
"""

import json
import os
import os.path as osp
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sw_mmseg.files import refuse_special

from .errors import DatasetError
from .image_file import read_image

__all__ = ['check_coco', 'coco_datasets']

LAYOUTS = {
    'CocoDataset': (
        'COCO 2017 must look like this: DATA_ROOT/annotations/instances_train2017.json and '
        'DATA_ROOT/train2017/000000000009.jpg ..., and the same for val2017 (data/coco by default). train2017.zip, '
        'val2017.zip and annotations_trainval2017.zip are at https://cocodataset.org/#download; unpack all three into '
        'that folder. To train without a download, use configs/sw_maskrcnn_streets.py.'
    ),
    'CityscapesDataset': (
        'Cityscapes must look as for segmentation, see data/README.md; its instances, as COCO has them, are made by: '
        'python tools/dataset_converters/cityscapes_instances.py DATA_ROOT (data/cityscapes by default). To train '
        'without a download, use configs/sw_maskrcnn_streets.py.'
    ),
}

# what is read here and by mmdet, and its kind
FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    'images': {'id': (int, str), 'file_name': str, 'width': int, 'height': int},
    'annotations': {'image_id': (int, str), 'category_id': int, 'bbox': list},
    'categories': {'id': int, 'name': str},
}


def coco_datasets(dataset: dict) -> Iterator[dict]:
    """The configs of all data sets with a JSON annotation file in a config, inside whatever repeats or joins them."""
    if str(dataset.get('ann_file', '')).endswith('.json'):
        yield dataset
    for part in [dataset.get('dataset'), *dataset.get('datasets', [])]:
        if isinstance(part, dict):
            yield from coco_datasets(part)


def check_coco(dataset: dict, decode: int | None = 32) -> None:
    """Raises one `DatasetError` that names what is wrong and the way out; returns nothing where all is well.

    Looks at the annotation file, the classes it must have, and whether all its pictures are there; decodes `decode` of
    them, spread evenly (None: all), and compares their sizes with the file's. Data behind a URL are not looked at.
    """
    root, name = dataset.get('data_root') or '', _name(dataset)
    file = osp.join(root, dataset['ann_file'])
    folder = osp.join(root, dataset.get('data_prefix', {}).get('img', ''))
    if '://' in file:
        return
    for path in (root, file, folder):
        if path and not osp.exists(path):
            raise DatasetError(f'{name}: {path} is missing.\n{_way_out(dataset)}')
    content = _read(file)
    missing = set(_classes(dataset)) - {category['name'] for category in content['categories']}
    if missing:
        raise DatasetError(
            f'{file} lacks {len(missing)} of the classes of {name}, such as {sorted(missing)[0]!r}. Use the file that '
            "belongs to the data set, or name its own classes in the data set's metainfo.classes"
        )
    if not content['images'] or not (content['annotations'] or dataset.get('test_mode')):
        raise DatasetError(f'{file} holds {len(content["images"])} pictures and {len(content["annotations"])} objects')
    lost = _missing(folder, [image['file_name'] for image in content['images']])
    if lost:
        raise DatasetError(
            f'{name}: {len(lost)} of the {len(content["images"])} pictures of {file} are not in {folder}, the first is '
            f'{lost[0]}.\n{_way_out(dataset)}'
        )
    count = len(content['images'])
    for index in np.unique(np.linspace(0, count - 1, min(count, decode or count)).astype(int)):
        _decode(folder, content['images'][index])


def _name(dataset: dict) -> str:
    return str(dataset['type']).split('.')[-1]


def _classes(dataset: dict) -> tuple[str, ...]:
    names = (dataset.get('metainfo') or {}).get('classes')
    if names:
        return (names,) if isinstance(names, str) else tuple(names)
    from mmdet.registry import DATASETS

    return tuple(getattr(DATASETS.get(_name(dataset)), 'METAINFO', {}).get('classes', ()))


def _way_out(dataset: dict) -> str:
    """How the folders must look and where they come from; streets are made, not downloaded."""
    parts = Path(dataset.get('data_root') or '').parts
    streets = [index for index, part in enumerate(parts) if part.startswith('streets')]
    if streets:
        out = Path(*parts[: streets[0] + 1])
        return f'Make the streets with: python tools/dataset_converters/streets_instances.py {out}'
    return LAYOUTS.get(_name(dataset), 'data_root, ann_file and data_prefix in the config say where it is looked for.')


def _read(file: str) -> dict:
    try:
        refuse_special(file)
        with open(file, encoding='utf-8') as stream:
            content = json.load(stream)
    except ValueError as error:
        raise DatasetError(f'{file} is no JSON ({error}): was it cut short? Unpack or make it again') from error
    _require(file, isinstance(content, dict), 'it holds no table of names')
    lacking = [key for key in ('images', 'annotations', 'categories') if key not in content]
    if lacking:
        raise DatasetError(f"{file} is not in COCO's format: it lacks {', '.join(lacking)}")
    for key, entries in FIELDS.items():
        _require(file, isinstance(content[key], list), f'its {key} are no list')
        for number, entry in enumerate(content[key]):
            text = f'number {number} of its {key} has no proper '
            _require(file, isinstance(entry, dict), f'number {number} of its {key} is no table of names')
            for field, kind in entries.items():
                value = entry.get(field)
                _require(file, isinstance(value, kind) and not isinstance(value, bool), f'{text}{field}')
    return content


def _require(file: str, right: bool, fault: str) -> None:
    if not right:
        raise DatasetError(f"{file} is not in COCO's format: {fault}. Unpack or make it again")


def _missing(folder: str, names: list[str]) -> list[str]:
    """Which of the files are not there; every folder is listed once."""
    listings: dict[str, set[str]] = {}
    for parent in {osp.dirname(name) for name in names}:
        path = osp.join(folder, parent)
        listings[parent] = set(os.listdir(path)) if osp.isdir(path) else set()
    return [name for name in names if osp.basename(name) not in listings[osp.dirname(name)]]


def _decode(folder: str, image: dict) -> None:
    path = osp.join(folder, image['file_name'])
    pixels = read_image(path).pixels
    if pixels.shape[:2] != (image['height'], image['width']):
        raise DatasetError(
            f'image {path} is {pixels.shape[1]}x{pixels.shape[0]}, its annotation file says '
            f'{image["width"]}x{image["height"]}: pictures and annotations do not belong together'
        )
