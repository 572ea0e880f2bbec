"""A user's own folders, tiny, for tests of what takes them."""

import numpy as np
from PIL import Image


def save(path, array):
    """An array as an image or label file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


def write_folders(root):
    """Four labelled images 48x40 of ids 1 and 2, in nested folders, and four unlabelled ones, 80x64."""
    rng = np.random.default_rng(0)
    labels = np.full((40, 48), 1, np.uint8)
    labels[:10] = 2
    for n in range(4):
        save(root / f'source/images/{n % 2}/{n}.png', rng.integers(0, 255, (40, 48, 3), np.uint8))
        save(root / f'source/labels/{n % 2}/{n}.png', labels)
        save(root / f'target/{n}.jpg', rng.integers(0, 255, (64, 80, 3), np.uint8))
    return root
