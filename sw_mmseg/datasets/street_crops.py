"""Things cut out of the streets: a small classification set whose two domains look different.

Every connected region of a class becomes a square crop around it, brought to one size. Train on the game's pictures
(`domain='source'`), test on the game's or on the camera's (`domain='target'`): same things, another appearance, which
is where statistics of single images should help.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmseg.datasets import BaseSegDataset

from sw_mmseg.domains import DOMAINS

from .cityscapes import RawCityscapesDataset
from .errors import DatasetError
from .gta5 import GTA5Dataset
from .labels import CLASSES
from .loading import LoadImage, LoadLabels

__all__ = ['StreetCrops']

THINGS = ('traffic light', 'traffic sign', 'person', 'rider', 'car', 'truck', 'bus', 'motorcycle', 'bicycle')
SPLITS = ('train', 'test')
MARGIN = 0.15  # of the longer side, on every side: some of the surroundings


@DATASETS.register_module()
class StreetCrops(BaseDataset):
    """Samples with `img` (size, size, 3) uint8 BGR and `gt_label`, an index into `THINGS`.

    Args:
        data_root: a folder of streets, such as data/streets/varied.
        domain: 'source' (the game) or 'target' (the camera).
        split: 'test' takes the crops of every fifth picture, 'train' those of the others.
        size: pixels a side of a crop.
        smallest: regions whose longer side has fewer pixels are left out.
        per_class: of a class with more crops, so many are taken, evenly spread; None takes all.
        arguments: of mmengine's `BaseDataset`, such as `pipeline`.

    Raises:
        DatasetError: no streets in that folder, or nothing in them; says how to make them.
    """

    METAINFO = dict(classes=THINGS)

    def __init__(
        self,
        data_root: str,
        domain: str = 'source',
        split: str = 'train',
        size: int = 32,
        smallest: int = 8,
        per_class: int | None = 300,
        **arguments,
    ) -> None:
        if domain not in DOMAINS or split not in SPLITS:
            raise ValueError(
                f'domain={domain!r}, split={split!r}; valid are {", ".join(DOMAINS)} and {", ".join(SPLITS)}'
            )
        self.domain, self.split, self.size = domain, split, size
        self.smallest, self.per_class = smallest, per_class
        super().__init__(data_root=data_root, **arguments)

    def load_data_list(self) -> list[dict]:
        """One entry an object that is large enough."""
        by_class: dict[int, list[np.ndarray]] = {index: [] for index in range(len(THINGS))}
        for image, labels in self._pictures():
            for index, box in find_things(labels, self.smallest):
                by_class[index].append(cut(image, box, self.size))
        samples = []
        for index, crops in by_class.items():
            for place in _spread(len(crops), self.per_class):
                samples.append(dict(img=crops[place], gt_label=index))
        if not samples:
            raise DatasetError(
                f'StreetCrops: the {self.split} pictures of the {self.domain} in {self.data_root} show '
                f'nothing of {self.smallest} pixels or more: make more or larger streets'
            )
        return samples

    def _pictures(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Image and train ids of the split's pictures."""
        dataset = self._scenes()
        for index in range(len(dataset)):
            if (index % 5 == 4) == (self.split == 'test'):
                sample = dict(dataset.get_data_info(index))
                LoadImage()(sample)
                LoadLabels()(sample)
                yield sample['img'], sample['gt_seg_map']

    def _scenes(self) -> BaseSegDataset:
        if self.domain == 'source':
            return GTA5Dataset(data_root=str(Path(self.data_root) / 'gta5'))
        return RawCityscapesDataset(data_root=str(Path(self.data_root) / 'cityscapes'), split='train')


def find_things(labels: np.ndarray, smallest: int) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Index into `THINGS` and box (left, top, width, height) of every region in labels (H, W) of train ids.

    Regions that fill less than a sixth of their box are remnants behind something else, and left out.
    """
    for index, name in enumerate(THINGS):
        mask = (labels == CLASSES.index(name)).astype(np.uint8)
        if not mask.any():
            continue
        _, _, regions, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        for left, top, width, height, area in regions[1:].tolist():
            if max(width, height) >= smallest and 6 * area >= width * height:
                yield index, (left, top, width, height)


def cut(image: np.ndarray, box: Sequence[int], size: int) -> np.ndarray:
    """A square around the box, with a margin, as (size, size, 3); what lies outside the image repeats its edge."""
    left, top, width, height = box
    side = max(width, height) * (1 + 2 * MARGIN)
    scale = size / side
    x, y = left + width / 2 - side / 2, top + height / 2 - side / 2
    # pixel centres: output (0, 0) lies half an output pixel inside the square
    matrix = np.array([[scale, 0, (0.5 - x) * scale - 0.5], [0, scale, (0.5 - y) * scale - 0.5]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _spread(count: int, most: int | None) -> np.ndarray:
    """At most `most` of `count` places, from the first to the last."""
    if most is None or count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(int)
