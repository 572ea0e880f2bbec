"""Pictures of any kind as RGB in 0..1: a reader, and a folder of contents to train on."""

from pathlib import Path

import numpy as np
import torch
from mmengine.registry import DATASETS
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.ppm', '.tif', '.tiff')


class PictureError(FileNotFoundError):
    """A picture or a folder is missing, or cannot be read; says which and what is needed."""


def read_picture(path: str | Path, size: int | None = None) -> Tensor:
    """3×H×W in 0..1, turned as EXIF says; grey is repeated, alpha laid on white, 16 bits scaled.

    `size`: longest side at most. Raises `PictureError`.
    """
    try:
        with Image.open(path) as file:
            if size:
                file.draft('RGB', (size, size))
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith('I'):  # 16 bits
                picture = Image.fromarray((np.asarray(picture).clip(0, 65535) / 257).round().astype(np.uint8))
            if picture.mode in ('RGBA', 'LA', 'PA') or 'transparency' in picture.info:
                picture = picture.convert('RGBA')
                picture = Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture)
            picture = picture.convert('RGB')
            if size:
                picture.thumbnail((size, size))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f'{path} cannot be read as a picture: {error}') from error
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def find_pictures(folder: str | Path) -> list[Path]:
    """All pictures in a folder and below, in order. Raises `PictureError` where there are none."""
    folder = Path(folder)
    paths = sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES and not p.name.startswith('.'))
    if not paths:
        raise PictureError(f'no pictures in folder {folder}: give one with train_dataloader.dataset.data_root=FOLDER')
    return paths


@DATASETS.register_module()
class ContentPictures(Dataset):
    """Every picture in a folder, its middle square resized to `size`×`size`: `{'inputs': 3×size×size in 0..1}`."""

    def __init__(self, data_root: str, size: int = 256) -> None:
        self.paths, self.size = find_pictures(data_root), size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        picture = read_picture(self.paths[index])
        side = min(picture.shape[1:])
        top, left = ((length - side) // 2 for length in picture.shape[1:])
        square = picture[None, :, top:top + side, left:left + side]
        return {'inputs': torch.nn.functional.interpolate(
            square, (self.size, self.size), mode='bilinear', antialias=True)[0].clamp(0, 1)}
