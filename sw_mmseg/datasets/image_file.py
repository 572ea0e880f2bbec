"""The one reader of images: any common format as (H, W, 3) uint8 BGR, turned as EXIF says.

Eight-bit images are decoded by OpenCV, as everywhere in this ecosystem. Deeper ones are scaled so that `white` becomes
255. What has more than three bands, and no transparency among them, needs to be told which three are meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sw_mmseg.files import refuse_special

from .errors import DatasetError
from .file_head import Head, read_head
from .raster_file import decode_cv2, read_raster, turned

__all__ = ['ImageFile', 'read_image', 'white_of']

DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras have, in files of 16


@dataclass(frozen=True)
class ImageFile:
    """An image as it was read. `notes` says what was decided about it; `peak` is the largest value of a deep one."""

    pixels: np.ndarray  # (H, W, 3) uint8 BGR
    head: Head
    notes: tuple[str, ...] = ()
    peak: float | None = None


def read_image(
    path: str,
    data: bytes | None = None,
    white: float | None = None,
    bands: Sequence[int] | None = None,
    bands_of: int | None = None,
) -> ImageFile:
    """An image of any common format.

    Args:
        path: the file.
        data: its content, where that was read already.
        white: the value of deep pixels (more than 8 bits, or floating point) that becomes 255; None takes what the
            file's own largest value suggests: 1, or 255, or the largest number of 10, 12, 14 or 16 bits.
        bands: numbers, from 0, of the bands of red, green and blue (or of one, for grey).
        bands_of: the number of bands of the files that `bands` is about; others are read without it. None: all.

    Raises:
        DatasetError: the file is missing, damaged, of several pages, or holds what cannot be shown as an image.
    """
    if data is None:
        data = _content(path)
    head = read_head(path, data)
    if bands_of not in (None, head.bands):
        bands = None
    if bands is None and head.format != 'GIF' and head.bits <= 8 and head.sample == 'uint' and _plain(head):
        try:
            return ImageFile(_decode(head, data), head)
        except DatasetError:
            if head.format != 'TIFF':  # of whose compressions others read more
                raise
    values, palette = read_raster(head, data)
    if palette is not None and bands is None:
        values = palette[values.clip(0, len(palette) - 1)]
    values, notes = _three(head, values, bands)
    values, scale, peak = _eight_bits(head, values, white)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    return ImageFile(np.ascontiguousarray(values[..., ::-1]), head, (*notes, *scale), peak)


def white_of(peak: float, floating: bool = False, where: str = 'the image') -> float:
    """The value that is white, by the largest that there is. Raises `DatasetError` where nothing tells."""
    if floating and peak <= 1:
        return 1.0
    if floating and peak <= 255:
        return 255.0
    fitting = [float(2**bits - 1) for bits in DEPTHS if peak <= 2**bits - 1]
    if not fitting:
        raise DatasetError(
            f'{where} holds values up to {peak:g}: what is white cannot be known. '
            'Say it with LoadImage(white=...), or write the images with 8 or 16 bits'
        )
    return fitting[0]


def _plain(head: Head) -> bool:
    """Whether OpenCV shows all of the file."""
    if head.format == 'TIFF':
        return (
            head.space in ('grey', 'rgb', 'palette')
            and head.bands in (1, 3)
            and head.bits in (1, 8)
            and not head.separate
        )
    return head.space in ('grey', 'rgb', 'palette', 'cmyk') and not head.alpha


def _decode(head: Head, data: bytes) -> np.ndarray:
    try:
        if head.format == 'TIFF':  # which OpenCV turns in any case
            return decode_cv2(data, cv2.IMREAD_COLOR)
        return turned(decode_cv2(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), head.orientation)
    except ValueError as error:
        raise DatasetError(f'image {head.path} cannot be read ({error}). Download or unpack it again.') from error


def _three(head: Head, values: np.ndarray, bands: Sequence[int] | None) -> tuple[np.ndarray, list[str]]:
    """Grey (H, W) or red, green and blue (H, W, 3) of any number of bands."""
    count = 1 if values.ndim == 2 else values.shape[2]
    if bands is not None:
        if len(bands) not in (1, 3) or not all(0 <= band < count for band in bands):
            raise DatasetError(
                f'image {head.path} has the bands 0 to {count - 1}; bands={list(bands)} must name one or three of them'
            )
        return (values if values.ndim == 2 else values[..., list(bands)[0] if len(bands) == 1 else list(bands)]), []
    if head.space not in ('grey', 'rgb', 'palette', 'cmyk') or (head.space == 'cmyk' and head.format == 'TIFF'):
        raise DatasetError(
            f'image {head.path} holds {head.space} colours; grey and RGB are understood. Convert it, '
            'for instance: magick FILE -colorspace sRGB NEW.png'
        )
    if head.space == 'rgb' and count < 3 or count == 2 and not head.alpha or count == 4 and not head.alpha or count > 4:
        raise DatasetError(
            f'image {head.path} is {head.text()}, none of them declared to be transparency: say which '
            "three are red, green and blue, with LoadImage(bands=(0, 1, 2)) or adapt's --bands 0 1 2, "
            'or write those three alone, for instance: gdal_translate -b 1 -b 2 -b 3 FILE NEW.tif'
        )
    if count in (2, 4) and head.alpha:
        opaque = values[..., -1].min() == values[..., -1].max()
        note = [] if opaque else ['their transparency is not used: colours are taken as they lie below it']
        return (values[..., 0] if count == 2 else values[..., :3]), note
    return values[..., 0] if count == 1 and values.ndim == 3 else values, []


def _eight_bits(head: Head, values: np.ndarray, white: float | None) -> tuple[np.ndarray, list[str], float | None]:
    """Values as uint8, what was decided, and the largest value, where there was anything to scale."""
    if values.dtype == np.uint8:
        return values, [], None
    if values.dtype == bool:
        return values.astype(np.uint8) * 255, [], None
    floating = values.dtype.kind in 'fc'
    if floating and not np.isfinite(values).all():
        raise DatasetError(f'image {head.path} holds values that are no numbers (NaN or infinite): fill them first')
    low, peak = float(values.min()), float(values.max())
    if low < 0:
        raise DatasetError(
            f'image {head.path} holds negative values, down to {low:g}: black cannot be known. Write it '
            'with 8 or 16 bits, without a sign'
        )
    note = [] if white else [f'deeper than 8 bits, and {white_of(peak, floating, head.path):g} is taken for white']
    white = white or white_of(peak, floating, f'image {head.path}')
    return (values * (255.0 / white)).round().clip(0, 255).astype(np.uint8), note, peak


def _content(path: str) -> bytes:
    try:
        refuse_special(path)
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        raise DatasetError(f'image {path} is missing') from None
    except OSError as error:
        raise DatasetError(f'image {path} cannot be read ({error.strerror or error})') from error
