"""Handwritten digits that come inside scikit-learn: 1,797 real pictures, for machines without CIFAR or ImageNet.

They are the test part of a UCI set (E. Alpaydin, C. Kaynak, 1998), 8x8 pixels of 0 to 16, in the order in which they
were collected; here 32x32 with three equal channels. The first 1,200 are for training, the other 597 for testing: they
are not mixed, so that most of those who wrote the test digits wrote none of the training digits.
"""

import cv2
import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from .errors import DatasetError

__all__ = ['Digits', 'read_digits']

TRAINING = 1200
SPLITS = {'train': slice(None, TRAINING), 'test': slice(TRAINING, None)}


def read_digits(split: str, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, size, size, 3) uint8 and their digits (N,).

    Raises:
        ValueError: an unknown split.
        DatasetError: scikit-learn is not installed.
    """
    if split not in SPLITS:
        raise ValueError(f'split={split!r}; valid are {", ".join(SPLITS)}')
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DatasetError(
            'the digits come with scikit-learn, which is not installed: pip install scikit-learn'
        ) from error
    digits = load_digits()
    images, labels = digits.images[SPLITS[split]], digits.target[SPLITS[split]]
    scaled = [
        cv2.resize((image * (255 / 16)).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
        for image in images
    ]
    pixels = np.stack(scaled).round().astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=-1), labels


@DATASETS.register_module()
class Digits(BaseDataset):
    """Samples with `img` (size, size, 3) uint8 and `gt_label`.

    Args:
        split: 'train' or 'test'.
        size: pixels a side.
        arguments: of mmengine's `BaseDataset`, such as `pipeline`.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self, split: str, size: int = 32, **arguments) -> None:
        self.split, self.size = split, size
        super().__init__(**arguments)

    def load_data_list(self) -> list[dict]:
        """scikit-learn's 8×8 images, in its own order."""
        images, labels = read_digits(self.split, self.size)
        return [dict(img=image, gt_label=int(label)) for image, label in zip(images, labels)]
