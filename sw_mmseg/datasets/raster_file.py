"""The pixels of an image or label file exactly as they are stored, of any depth and any number of bands.

Nothing is scaled, cut or mapped here; `image_file` makes 8-bit colours of the pixels, `label_file` ids.
"""

from __future__ import annotations

import io

import cv2
import numpy as np

from .claims import overlong
from .errors import DatasetError
from .file_head import Head, open_picture, reason

__all__ = ['decode_cv2', 'read_raster', 'turned']


def read_raster(head: Head, data: bytes, kind: str = 'image') -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels (H, W) or (H, W, bands), colours as RGB, turned as EXIF says; and the palette (K, 3) uint8, or None.

    Of a paletted file the pixels are indices. Raises `DatasetError` for a damaged file and for what cannot be decoded.
    """
    try:
        values, palette = _tiff(head, data) if head.format == 'TIFF' else _other(head, data)
    except DatasetError:
        raise
    except Exception as error:  # Pillow raises almost anything on a damaged file
        raise DatasetError(
            f'{kind} {head.path} cannot be read ({reason(head.path, data, error)}). Download or unpack it again'
        ) from error
    return values, palette


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W, ...) turned and mirrored as EXIF's orientation, 1 to 8, asks."""
    if orientation in (5, 7):
        values = values.swapaxes(0, 1)
    if orientation in (6, 8):
        values = np.rot90(values, -1 if orientation == 6 else 1)
    if orientation in (3, 4, 7):
        values = values[::-1]
    if orientation in (2, 3, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def decode_cv2(data: bytes, flags: int, error: str = 'it is cut short or damaged') -> np.ndarray:
    """OpenCV's `imdecode`, which raises where it finds no picture."""
    if overlong(data):
        raise ValueError(error)
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as failure:
        raise ValueError(str(failure).strip().split('\n')[0]) from failure
    if values is None:
        raise ValueError(error)
    return values


def _other(head: Head, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    if head.bits == 16 and head.bands > 1:
        order = [2, 1, 0, 3][: head.bands] if head.bands > 2 else None
        values = decode_cv2(data, cv2.IMREAD_UNCHANGED)
        if order is None:  # OpenCV makes four bands of grey and alpha
            order = [0, 3]
        return turned(values[..., order], head.orientation), None
    palette = None
    with open_picture(io.BytesIO(data)) as picture:
        if head.space == 'palette' and head.bands == 1 and head.format != 'GIF':
            values = np.asarray(picture)
            palette = np.array(picture.getpalette('RGB'), np.uint8).reshape(-1, 3)
        elif head.space in ('palette', 'cmyk') or head.format == 'GIF':
            values = np.asarray(picture.convert('RGBA' if head.alpha else 'RGB'))
        else:
            values = np.asarray(picture)
    if head.format == 'PNG' and head.space == 'grey' and 1 < head.bits < 8:
        values = values // (255 // (2**head.bits - 1))  # which Pillow spreads to 0..255
    elif head.largest and head.largest not in (255, 65535):
        spread = 255 if head.largest < 255 else 65535
        values = (values.astype(np.int64) * head.largest + spread // 2) // spread
    return turned(values, head.orientation), palette


def _tiff(head: Head, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        palette = None
        if head.space == 'palette' and page.colormap is not None:
            palette = (np.asarray(page.colormap).T >> 8).astype(np.uint8)
        try:
            values = page.asarray()
        except (ValueError, ImportError, KeyError) as error:  # a compression that needs another package
            return _tiff_otherwise(head, data, error), palette
        axes = page.axes
    if values.ndim == 3 and axes.startswith('S'):
        values = np.moveaxis(values, 0, -1)
    if values.shape[:2] != (head.height, head.width) or values.ndim > 3:
        raise ValueError(f'its pixels have the shape {values.shape}')
    if head.bands == 1:
        values = values.reshape(head.height, head.width)
    return turned(values, head.orientation), palette


def _tiff_otherwise(head: Head, data: bytes, error: Exception) -> np.ndarray:
    """By OpenCV or Pillow, which read more compressions and fewer layouts, and turn a TIFF by themselves."""
    rgb = head.space == 'rgb' and head.bands in (3, 4) and head.sample == 'uint' and not head.separate
    if rgb and head.bits == 16:
        return decode_cv2(data, cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3][: head.bands]]
    if head.bands == 1 or rgb and head.bits == 8:
        with open_picture(io.BytesIO(data)) as picture:
            return np.asarray(picture)
    raise ValueError(
        f'{head.text()}, compressed in a way that needs another package: pip install imagecodecs ({error})'
    ) from error
