"""Pictures of any kind as RGB in 0..1, and which pictures a folder has. No counterpart in the paper."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.file_head import Head, open_picture, read_head
from sw_mmseg.datasets.folder_files import PICTURES, foreign_files, list_folder
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.datasets.once import say_once

__all__ = ['PictureError', 'find_pictures', 'read_picture', 'to_uint8']

MOST_PIXELS = 1 << 28  # 3 GiB as RGB in fp32


class PictureError(RuntimeError):
    """A picture or a folder is missing, or cannot be read; says which and what is needed."""

    def __init__(self, text: str) -> None:
        super().__init__(text.rpartition(f'{type(self).__name__}: ')[2].strip())  # a loader's worker adds a traceback


def read_picture(path: str | Path, size: int | None = None) -> Tensor:
    """3×H×W in 0..1, turned as EXIF says; grey is repeated, alpha laid on white, deep pixels scaled.

    Args:
        path: the file.
        size: longest side at most. A JPEG is then decoded at an eighth, a quarter or half of its size where that
            suffices, so that it may be larger than memory.

    Raises:
        PictureError: missing, unreadable, or of more pixels than can be held.
    """
    if not Path(path).is_file():
        raise PictureError(f'no picture {path}')
    try:
        head = read_head(str(path))
        picture = _decode(path, size) if _plain(head) else _decode_deep(head)
    except (DatasetError, OSError, SyntaxError, ValueError, OverflowError, MemoryError) as error:
        raise PictureError(f'{path} cannot be read as a picture: {error}') from error
    if size:
        picture.thumbnail((size, size))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def _plain(head: Head) -> bool:
    """Whether Pillow shows all of a file."""
    if head.format == 'TIFF':
        return head.bits == 8 and head.sample == 'uint' and not head.separate and (head.bands in (1, 3) or head.alpha)
    return head.bits <= 8


def _decode(path: str | Path, size: int | None) -> Image.Image:
    with open_picture(str(path)) as file:
        if size:
            file.draft('RGB', (size, size))
        _check_size(path, file.width, file.height)  # the size that counts is the one after `draft`
        picture = ImageOps.exif_transpose(file)
        if picture.mode in ('RGBA', 'LA', 'PA') or 'transparency' in picture.info:
            picture = picture.convert('RGBA')
            picture = Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture)
        return picture.convert('RGB')


def _decode_deep(head: Head) -> Image.Image:
    """More than 8 bits, or bands that Pillow leaves out: as the data sets of this package read them."""
    _check_size(head.path, head.width, head.height)
    image_file = read_image(head.path)
    for note in image_file.notes:
        say_once(f'pictures: {note}', head.path)
    return Image.fromarray(np.ascontiguousarray(image_file.pixels[..., ::-1]))


def _check_size(path: str | Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise PictureError(
            f'{path} has {width}x{height} pixels, more than {MOST_PIXELS}: make it smaller, or a JPEG '
            'if it is a style, which is decoded small'
        )


def to_uint8(picture: Tensor) -> np.ndarray:
    """3×H×W in 0..1 to (H, W, 3) uint8."""
    return (picture.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def find_pictures(folder: str | Path) -> list[Path]:
    """All pictures in a folder and below, in order; linked folders are entered, each once, hidden ones are not.

    Raises:
        PictureError: there are none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PictureError(
            f'folder {folder} of pictures is missing. data/README.md shows where data are from; any '
            'folder of pictures does: train_dataloader.dataset.dataset.data_root=FOLDER'
        )
    listing = list_folder(str(folder), PICTURES, 'pictures')
    if not listing.files:
        raise PictureError(f'no pictures ({", ".join(PICTURES)}) in folder {folder}{foreign_files(listing.left_out)}')
    return sorted(folder / name for name in listing.files)
