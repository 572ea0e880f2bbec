"""Contents to train on: any pictures (Section 4.4 takes COCO's).

Departure: Johnson et al. squeeze every picture to a square; here squares are cut out, and nothing is squeezed.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from mmengine.registry import DATASETS
from torch import Tensor
from torch.utils.data import Dataset

from .pictures import PictureError, find_pictures, read_picture

__all__ = ['ContentPictures', 'resolve_folder']

PACKAGE = 'package://'
CROPS = ('middle', 'random')


def resolve_folder(place: str) -> Path:
    """A folder, or `package://NAME/FOLDER`, a folder of an installed Python package, such as the two photographs of
    `package://sklearn/datasets/images`. Raises `PictureError` where the package is missing."""
    if not place.startswith(PACKAGE):
        return Path(place)
    name, _, folder = place[len(PACKAGE) :].partition('/')
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        package = {'sklearn': 'scikit-learn', 'skimage': 'scikit-image'}.get(name, name)
        raise PictureError(f'{place} is in a package that is not installed: pip install {package}')
    return Path(spec.submodule_search_locations[0]) / folder


@DATASETS.register_module()
class ContentPictures(Dataset):
    """`{'inputs': 3×size×size in 0..1}` of every picture in the folders and below.

    Args:
        data_root: a folder, or several, which then have equal shares however many pictures each has; see
            `resolve_folder`.
        size: pixels a side.
        crop: 'middle', the largest square in the middle; or 'random', a square of half to all of the shorter side,
            mirrored half of the time.
    """

    def __init__(self, data_root: str | Sequence[str], size: int = 256, crop: str = 'middle') -> None:
        if crop not in CROPS:
            raise ValueError(f'crop must be one of {CROPS}, got {crop!r}')
        folders = [data_root] if isinstance(data_root, str) else list(data_root)
        self.folders = [find_pictures(resolve_folder(folder)) for folder in folders]
        self.size, self.crop = size, crop

    def __len__(self) -> int:
        return max(map(len, self.folders)) * len(self.folders)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        paths = self.folders[index % len(self.folders)]
        picture = read_picture(paths[index // len(self.folders) % len(paths)])
        height, width = picture.shape[1:]
        side = min(height, width)
        if self.crop == 'random':
            side = max(1, int(side * np.random.uniform(0.5, 1)))
            top, left = np.random.randint(height - side + 1), np.random.randint(width - side + 1)
            picture = picture.flip(2) if np.random.rand() < 0.5 else picture
        else:
            top, left = (height - side) // 2, (width - side) // 2
        square = picture[None, :, top : top + side, left : left + side]
        return {'inputs': F.interpolate(square, (self.size, self.size), mode='bilinear', antialias=True)[0].clamp(0, 1)}
