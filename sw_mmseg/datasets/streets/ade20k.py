"""Streets in ADE20K's layout: the camera's pictures again, as `ade20k/images/SPLIT/*.jpg`, their labels in 150 classes.

ADE20K has no train, so trams become other (0), as does all that Cityscapes calls void; a rider is a person there.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmseg.datasets import ADE20KDataset

from ..labels import ID
from .layouts import write_atomically

__all__ = ['raw_to_ade20k', 'write_ade20k']

SPLITS = {'train': 'training', 'val': 'validation'}
# Cityscapes' name -> ADE20K's
NAMES = {
    'ground': 'earth',
    'road': 'road',
    'sidewalk': 'sidewalk',
    'parking': 'road',
    'building': 'building',
    'wall': 'wall',
    'fence': 'fence',
    'guard rail': 'railing',
    'bridge': 'bridge',
    'pole': 'pole',
    'polegroup': 'pole',
    'traffic light': 'traffic light',
    'traffic sign': 'signboard',
    'vegetation': 'tree',
    'terrain': 'grass',
    'sky': 'sky',
    'person': 'person',
    'rider': 'person',
    'car': 'car',
    'truck': 'truck',
    'bus': 'bus',
    'caravan': 'van',
    'motorcycle': 'minibike',
    'bicycle': 'bicycle',
}


def raw_to_ade20k() -> np.ndarray:
    """Look-up table (256,) uint8 from raw ids to ids in ADE20K's files: 0 for other, else class + 1."""
    table, classes = np.zeros(256, np.uint8), ADE20KDataset.METAINFO['classes']
    for name, ade20k_name in NAMES.items():
        table[ID[name]] = classes.index(ade20k_name) + 1
    return table


def write_ade20k(root: str | Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Writes what is missing of `root`/ade20k from `root`/cityscapes and returns its folder; files appear whole.

    `progress(done, total)` is called after each picture.
    """
    root, table = Path(root), raw_to_ade20k()
    images, truth, out = root / 'cityscapes/leftImg8bit', root / 'cityscapes/gtFine', root / 'ade20k'
    pictures = [
        (split, number, path)
        for split in SPLITS
        for number, path in enumerate(sorted((images / split).glob('*/*_leftImg8bit.png')), 1)
    ]
    for done, (split, number, path) in enumerate(pictures, 1):
        name = f'{SPLITS[split]}/ADE_{split}_{number:08d}'
        if not (out / f'images/{name}.jpg').exists():
            labels = truth / path.relative_to(images).parent / path.name.replace('_leftImg8bit', '_gtFine_labelIds')
            ids = table[cv2.imread(str(labels), cv2.IMREAD_UNCHANGED)]
            write_atomically(out / f'annotations/{name}.png', cv2.imencode('.png', ids)[1].tobytes())
            jpeg = cv2.imencode('.jpg', cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            write_atomically(out / f'images/{name}.jpg', jpeg.tobytes())
        if progress:
            progress(done, len(pictures))
    return root / 'ade20k'
