"""Tiny data sets in the exact layouts of GTA5 and Cityscapes, written with Pillow and nothing of the package."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


def save_paletted(path: Path, ids: np.ndarray) -> None:
    """A label file as GTA5 has them: the palette's colours are no function that a reader could invert by luck."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette([(37 * i + 11 * c) % 256 for i in range(256) for c in range(3)])
    picture.save(path)


def save_grey(path: Path, ids: np.ndarray) -> None:
    """A label file as Cityscapes has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids.astype(np.uint8)).save(path)


def save_picture(path: Path, number: int, size: tuple[int, int] = (6, 4)) -> None:
    """A picture (width, height) whose blue channel is its number, and whose red one its column."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = np.arange(size[0]), number
    Image.fromarray(pixels).save(path)


@pytest.fixture
def files() -> SimpleNamespace:
    """The three writers, for tests that need files of their own."""
    return SimpleNamespace(paletted=save_paletted, grey=save_grey, picture=save_picture)


@pytest.fixture
def gta5(tmp_path: Path) -> Path:
    """Seven pictures of GTA5; the label of picture n is road (7), its first row raw id 10 + n."""
    root = tmp_path / 'gta5'
    for n in range(1, 8):
        ids = np.full((4, 6), 7)
        ids[0] = 10 + n
        save_picture(root / f'images/{n:05d}.png', n)
        save_paletted(root / f'labels/{n:05d}.png', ids)
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Five training and two validation pictures of Cityscapes with raw ids, labels of training pictures included."""
    root = tmp_path / 'cityscapes'
    for split, cities in (('train', ('aachen', 'bochum')), ('val', ('munster',))):
        for n in range(5 if split == 'train' else 2):
            stem = f'{split}/{cities[n % len(cities)]}/{cities[n % len(cities)]}_{n:06d}_000019'
            save_picture(root / f'leftImg8bit/{stem}_leftImg8bit.png', 100 + n)
            save_grey(root / f'gtFine/{stem}_gtFine_labelIds.png', np.full((4, 6), 26))
    return root
