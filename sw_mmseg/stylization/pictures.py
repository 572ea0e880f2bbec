"""Pictures of any kind as RGB in 0..1, and which pictures a folder has. No counterpart in the paper."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

__all__ = ['PictureError', 'find_pictures', 'read_picture', 'to_uint8']

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.ppm', '.tif', '.tiff')
MOST_PIXELS = 1 << 28  # 3 GiB as RGB in fp32


class PictureError(RuntimeError):
    """A picture or a folder is missing, or cannot be read; says which and what is needed."""

    def __init__(self, text: str) -> None:
        super().__init__(text.rpartition(f'{type(self).__name__}: ')[2].strip())  # a loader's worker adds a traceback


def read_picture(path: str | Path, size: int | None = None) -> Tensor:
    """3×H×W in 0..1, turned as EXIF says; grey is repeated, alpha laid on white, 16 bits scaled.

    Args:
        path: the file.
        size: longest side at most. A JPEG is then decoded at an eighth, a quarter or half of its size where that
            suffices, so that it may be larger than memory.

    Raises:
        PictureError: missing, unreadable, or of more pixels than can be held.
    """
    if not Path(path).is_file():
        raise PictureError(f'no picture {path}')
    limit = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = None  # the size that counts is the one after `draft`
            picture = _decode(path, size)
    except (OSError, SyntaxError, ValueError, OverflowError, MemoryError) as error:
        picture = _decode_deep(path)
        if picture is None:
            raise PictureError(f'{path} cannot be read as a picture: {error}') from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if size:
        picture.thumbnail((size, size))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def _decode(path: str | Path, size: int | None) -> Image.Image:
    with Image.open(path) as file:
        if size:
            file.draft('RGB', (size, size))
        if file.width * file.height > MOST_PIXELS:
            raise PictureError(f'{path} has {file.width}x{file.height} pixels, more than {MOST_PIXELS}: make it '
                               'smaller, or a JPEG if it is a style, which is decoded small')
        picture = ImageOps.exif_transpose(file)
        if picture.mode.startswith('I'):  # 16 bits of grey
            picture = _from_deep(np.asarray(picture).clip(0, 65535))
        if picture.mode in ('RGBA', 'LA', 'PA') or 'transparency' in picture.info:
            picture = picture.convert('RGBA')
            picture = Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture)
        return picture.convert('RGB')


def _decode_deep(path: str | Path) -> Image.Image | None:
    """What Pillow does not read and OpenCV does, such as TIFF files of 16 bits a colour."""
    try:
        pixels = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        return None
    pixels = pixels[..., ::-1]
    return _from_deep(pixels) if pixels.dtype == np.uint16 else Image.fromarray(np.ascontiguousarray(pixels))


def _from_deep(pixels: np.ndarray) -> Image.Image:
    """0..65535 to 0..255."""
    return Image.fromarray((pixels / 257).round().astype(np.uint8))


def to_uint8(picture: Tensor) -> np.ndarray:
    """3×H×W in 0..1 to (H, W, 3) uint8."""
    return (picture.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def find_pictures(folder: str | Path) -> list[Path]:
    """All pictures in a folder and below, in order. Raises `PictureError` where there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise PictureError(f'folder {folder} of pictures is missing. data/README.md shows where data are from; any '
                           'folder of pictures does: train_dataloader.dataset.dataset.data_root=FOLDER')
    paths = sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES and not p.name.startswith('.'))
    if not paths:
        raise PictureError(f'no pictures ({", ".join(SUFFIXES)}) in folder {folder}')
    return paths
