"""Instance maps as Cityscapes counts them, written as COCO writes instances: boxes, masks, areas and crowds.

An instance map holds, a pixel, `label * 1000 + number` for an object and the bare label for everything else, also for
groups whose members cannot be told apart. Those become crowds, and so do objects of fewer than `crowd_below` visible
pixels, together with the others of their class: COCO's evaluation then neither asks for them nor counts them as false.
Masks are compressed RLE, boxes and areas are theirs, so everything holds by pycocotools' own reckoning.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .labels import IGNORE, LABELS

__all__ = ['CITYSCAPES', 'GROUPS', 'CocoFile', 'annotate']

# class -> labels that it takes in. The order is that of mmdet's CityscapesDataset: categories of a file go by position.
CITYSCAPES = {
    label.name: (label.name,)
    for label in sorted(LABELS, key=lambda label: label.train_id)
    if label.has_instances and label.train_id != IGNORE
}
# Cityscapes' own categories of these classes, which also take in what is not scored by itself.
GROUPS = {
    'person': ('person', 'rider'),
    'vehicle': ('car', 'truck', 'bus', 'caravan', 'trailer', 'train', 'motorcycle', 'bicycle'),
}
Classes = Mapping[str, Sequence[str]]


def annotate(instance_ids: np.ndarray, classes: Classes = CITYSCAPES, crowd_below: int = 0) -> list[dict]:
    """COCO annotations, without `id` and `image_id`, of an instance map (H, W).

    Args:
        instance_ids: as in Cityscapes' `*_instanceIds.png`.
        classes: name -> names of labels; categories are numbered from 1 in this order. Other labels are left out.
        crowd_below: objects of fewer pixels go into their class's crowd; 0 keeps all of them.
    """
    category = _categories(classes)
    objects: list[dict] = []
    crowds: dict[int, np.ndarray] = {}
    pixels_of = np.bincount(instance_ids.ravel())
    for number in np.flatnonzero(pixels_of).tolist():
        pixels, label = pixels_of[number], number // 1000 or number
        if label not in category:
            continue
        mask = instance_ids == number
        if number < 1000 or pixels < crowd_below:
            crowds[category[label]] = crowds.get(category[label], False) | mask
        else:
            objects.append(_annotation(mask, category[label], crowd=False))
    return objects + [_annotation(mask, number, crowd=True) for number, mask in sorted(crowds.items())]


class CocoFile:
    """Collects images with their instance maps; `content` is what a COCO annotation file of them holds.

    Images and annotations are numbered from 1 in the order they are added. Arguments as in `annotate`.
    """

    def __init__(self, classes: Classes = CITYSCAPES, crowd_below: int = 0) -> None:
        self.classes, self.crowd_below = classes, crowd_below
        self.content = {
            'info': {'description': f'objects of fewer than {crowd_below} pixels are in crowds' if crowd_below else ''},
            'licenses': [],
            'images': [],
            'annotations': [],
            'categories': [{'id': i, 'name': name, 'supercategory': name} for i, name in enumerate(classes, 1)],
        }

    def add(self, name: str, instance_ids: np.ndarray) -> None:
        """An image by its file name, relative to the data set's root, and its instance map (H, W)."""
        images, annotations = self.content['images'], self.content['annotations']
        height, width = instance_ids.shape
        images.append({'id': len(images) + 1, 'file_name': name, 'width': width, 'height': height})
        for annotation in annotate(instance_ids, self.classes, self.crowd_below):
            annotations.append({'id': len(annotations) + 1, 'image_id': len(images), **annotation})


def _categories(classes: Classes) -> dict[int, int]:
    """Raw label id -> category id."""
    ids = {label.name: label.id for label in LABELS if label.has_instances}
    unknown = [name for names in classes.values() for name in names if name not in ids]
    if unknown:
        raise ValueError(f'labels {unknown} have no instances; those that have: {", ".join(ids)}')
    return {ids[name]: number for number, names in enumerate(classes.values(), 1) for name in names}


def _annotation(mask: np.ndarray, category: int, crowd: bool) -> dict:
    from pycocotools import mask as coco_mask  # of mmdet's, which segmentation does without

    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {
        'category_id': category,
        'iscrowd': int(crowd),
        'area': int(coco_mask.area(rle)),
        'bbox': coco_mask.toBbox(rle).tolist(),
        'segmentation': {'size': [int(side) for side in rle['size']], 'counts': rle['counts'].decode('ascii')},
    }
