"""How pictures and labels lie on disk: GTA5's and Cityscapes' folders, file names and formats.

A picture's file appears under its name only when it is whole: it is written beside it and then renamed. The picture is
written last, so where it is, its labels are.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sw_mmseg.files import whole_file

from ..labels import color_table

__all__ = ['Sample', 'cityscapes_paths', 'gta5_paths', 'link_sample', 'write_atomically', 'write_sample']

TRAIN_CITIES = ('eastvale', 'harborough', 'millbridge', 'northport')
VAL_CITIES = ('southgate', 'westmoor')


@dataclass(frozen=True)
class Sample:
    """`image` (H, W, 3) uint8 RGB, `labels` (H, W) uint8 raw ids, `instances` (H, W) uint16 as Cityscapes counts."""

    image: np.ndarray
    labels: np.ndarray
    instances: np.ndarray


def gta5_paths(root: Path, index: int) -> dict[str, Path]:
    """Files of the `index`-th picture (from 0) in GTA5's layout, the picture last."""
    name = f'{index + 1:05d}.png'
    return dict(labels=root / 'gta5/labels' / name, image=root / 'gta5/images' / name)


def cityscapes_paths(root: Path, split: str, index: int) -> dict[str, Path]:
    """Files of the `index`-th picture (from 0) of 'train' or 'val' in Cityscapes' layout, the picture last."""
    cities = TRAIN_CITIES if split == 'train' else VAL_CITIES
    city = cities[index % len(cities)]
    stem = f'{split}/{city}/{city}_{index // len(cities):06d}_000019'
    return dict(
        labels=root / f'cityscapes/gtFine/{stem}_gtFine_labelIds.png',
        instances=root / f'cityscapes/gtFine/{stem}_gtFine_instanceIds.png',
        image=root / f'cityscapes/leftImg8bit/{stem}_leftImg8bit.png',
    )


def write_atomically(path: Path, content: bytes) -> None:
    """The whole file or none of it."""
    with whole_file(path) as part:
        part.write_bytes(content)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _paletted_png(labels: np.ndarray) -> bytes:
    picture = Image.fromarray(labels)
    picture.putpalette(color_table().ravel().tolist())
    stream = io.BytesIO()
    picture.save(stream, 'png', compress_level=1)
    return stream.getvalue()


def write_sample(paths: dict[str, Path], sample: Sample, paletted: bool) -> None:
    """Writes what `paths` asks for, in its order; `paletted` labels as GTA5 has them, else one grey channel."""
    content = dict(
        labels=lambda: _paletted_png(sample.labels) if paletted else _png(sample.labels),
        instances=lambda: _png(sample.instances),
        image=lambda: _png(np.ascontiguousarray(sample.image[..., ::-1])),
    )
    for kind, path in paths.items():
        write_atomically(path, content[kind]())


def link_sample(originals: dict[str, Path], paths: dict[str, Path]) -> bool:
    """Makes `paths` further names of the files `originals`; says False where these are missing or cannot be linked."""
    if not all(other.is_file() for other in originals.values()):
        return False
    try:
        for kind, path in paths.items():
            if not (path.exists() and path.samefile(originals[kind])):
                with whole_file(path) as part:
                    part.unlink(missing_ok=True)
                    part.hardlink_to(originals[kind])
    except OSError:  # a disk without links
        return False
    return True
