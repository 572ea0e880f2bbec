"""What the head of an image or label file says of it: format, size, bands, bits, palette, pages, orientation.

Pixels are read by `raster_file`. TIFF files are described by tifffile, since Pillow and OpenCV leave out bands and
pages without a word; all others by Pillow. Damaged files, files of several pages and files too large raise
`DatasetError`.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image, PngImagePlugin

from sw_mmseg.files import refuse_special

from .claims import BOUNDED, BOUNDED_TIFF, can_hold
from .errors import DatasetError
from .file_ends import end_of, start_of

__all__ = ['SWAPPED', 'Head', 'open_picture', 'read_head', 'reason']

MOST_PIXELS = 1 << 30  # that OpenCV reads
MOST_PAGES = 64  # of a TIFF that are looked at: a damaged one may have pages without end
ORIENTATION = 0x112  # EXIF's tag, and TIFF's
GDAL_NODATA = 42113  # a TIFF tag
LOSSY_TIFF = (6, 7, 34712, 50001)  # compressions: JPEG, JPEG 2000, WebP
SWAPPED = (5, 6, 7, 8)  # orientations that swap height and width
MODES = {  # Pillow's mode -> bands, bits, sample
    '1': (1, 1, 'uint'),
    'L': (1, 8, 'uint'),
    'P': (1, 8, 'uint'),
    'I;16': (1, 16, 'uint'),
    'I;16B': (1, 16, 'uint'),
    'I': (1, 32, 'int'),
    'F': (1, 32, 'float'),
    'LA': (2, 8, 'uint'),
    'PA': (2, 8, 'uint'),
    'RGB': (3, 8, 'uint'),
    'RGBA': (4, 8, 'uint'),
    'CMYK': (4, 8, 'uint'),
    'YCbCr': (3, 8, 'uint'),
}
LOSSY = ('JPEG', 'MPO', 'JPEG2000', 'AVIF')
_lock, _limits = threading.Lock(), []


@dataclass(frozen=True)
class Head:
    """What a file holds. Width and height are those of the stored pixels, before they are turned by `orientation`."""

    path: str
    format: str  # 'PNG', 'JPEG', 'TIFF' ...
    space: str  # 'grey', 'palette', 'rgb', 'cmyk', or a name that no reader here knows
    width: int
    height: int
    bands: int
    bits: int  # of one sample
    sample: str = 'uint'  # 'uint', 'int' or 'float'
    alpha: bool = False  # the last band is declared to be transparency
    orientation: int = 1  # EXIF's, 1 to 8
    pages: int = 1
    lossy: bool = False
    largest: int | None = None  # the largest value that is possible, where the file says so and it is no 2^bits - 1
    separate: bool = False  # a TIFF that stores its bands one after the other
    nodata: float | None = None  # the value of pixels without data, where a TIFF declares one
    bounded: bool = False  # see `claims`

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as shown."""
        return (self.height, self.width) if self.orientation in SWAPPED else (self.width, self.height)

    def text(self) -> str:
        """'a TIFF with 5 bands of 16 bits'."""
        bands = 'one band' if self.bands == 1 else f'{self.bands} bands'
        kind = {'float': ' (floating point)', 'int': ' (signed)'}.get(self.sample, '')
        palette = ' and a palette' if self.space == 'palette' else ''
        return f'a {self.format} with {bands} of {self.bits} bit{"s" * (self.bits > 1)}{kind}{palette}'


def read_head(path: str, data: bytes | None = None, kind: str = 'image') -> Head:
    """The head of a file, or of its content. `kind`, 'image' or 'label file', is how errors call it.

    Raises:
        DatasetError: missing, empty, no picture, of several pages, or of more pixels than can be read.
    """
    try:
        head = _head(path, data)
    except FileNotFoundError:
        raise DatasetError(f'{kind} {path} is missing') from None
    except Exception as error:  # Pillow and tifffile raise almost anything on a damaged file
        raise DatasetError(f'{kind} {path} cannot be read ({reason(path, data, error)})') from error
    if head.pages > 1:
        raise DatasetError(
            f'{kind} {path} is a {head.format} with {head.pages} pages or frames; which of them is '
            'meant cannot be known. Write each to a file of its own, for instance: magick FILE '
            'page-%03d.png'
        )
    if head.width * head.height > MOST_PIXELS:
        raise DatasetError(
            f'{kind} {path} has {head.width}x{head.height} pixels; at most {MOST_PIXELS} can be read. Cut it into tiles'
        )
    size = len(data) if data is not None else os.path.getsize(path)
    if head.bounded and not can_hold(size, head.width * head.height, head.bands * head.bits):
        raise DatasetError(
            f'{kind} {path} says that it has {head.width}x{head.height} pixels, which {size} bytes cannot hold: it is '
            'cut short, or its head is damaged'
        )
    return head


@contextmanager
def open_picture(source: str | io.BytesIO) -> Iterator[Image.Image]:
    """Pillow's `Image.open` without its limits on sizes, which are meant for files from strangers on the web."""
    with _lock:
        if not _limits:
            _limits.append((Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY))
            Image.MAX_IMAGE_PIXELS = None
            PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MOST_PIXELS
        _limits.append(None)
    try:
        with Image.open(source) as picture:
            yield picture
    finally:
        with _lock:
            _limits.pop()
            if len(_limits) == 1:
                (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY) = _limits.pop()


def reason(path: str, data: bytes | None, error: Exception) -> str:
    """Why a file cannot be read, in words."""
    place = Path(path)
    empty = not data if data is not None else place.is_file() and place.stat().st_size == 0
    if empty:
        return 'the file is empty'
    if isinstance(error, Image.UnidentifiedImageError):
        return 'its content is no image format that is known here'
    if isinstance(error, IndexError):
        return 'it holds no picture: was it cut short?'
    return str(error) or type(error).__name__


def _head(path: str, data: bytes | None) -> Head:
    if data is None:
        refuse_special(path)
        with open(path, 'rb') as file:
            start = file.read(4)
    else:
        start = data[:4]
    source = path if data is None else io.BytesIO(data)
    if start in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
        return _tiff_head(path, source)
    with open_picture(source) as picture:
        return _pillow_head(path, picture, data)


def _pillow_head(path: str, picture: Image.Image, data: bytes | None) -> Head:
    bands, bits, sample = MODES.get(picture.mode, (len(picture.getbands()), 8, 'uint'))
    kind, largest = picture.format or 'file', None
    if kind == 'PNG':
        bits = start_of(path, data, 25)[24]  # Pillow makes 8 bits of fewer, and of 16 in colours
    elif kind == 'PPM':
        raw = picture.tile[0][3]
        largest = raw[1] if isinstance(raw, tuple) and isinstance(raw[1], int) else None
        bits, sample = (16, 'uint') if largest and largest > 255 else (bits, sample)
    if picture.mode == 'I' and kind == 'PNG':
        sample = 'uint'
    lossy = kind in LOSSY or (kind == 'WEBP' and b'VP8L' not in start_of(path, data, 1 << 20))
    # the second picture in a telephone's JPEG is a depth or brightness map of the first
    pages = 1 if kind == 'MPO' else getattr(picture, 'n_frames', 1)
    space = {1: 'grey', 2: 'grey', 3: 'rgb', 4: 'rgb'}.get(bands, 'grey')
    space = {'P': 'palette', 'PA': 'palette', 'CMYK': 'cmyk'}.get(picture.mode, space)
    if picture.mode not in MODES:
        space = picture.mode
    return Head(
        path,
        {'MPO': 'JPEG', 'WEBP': 'WebP'}.get(kind, kind),
        space,
        *picture.size,
        bands,
        bits,
        sample,
        picture.mode in ('LA', 'PA', 'RGBA'),
        _orientation(picture, path, data),
        pages,
        lossy,
        largest,
        bounded=kind in BOUNDED,
    )


def _tiff_head(path: str, source: str | io.BytesIO) -> Head:
    import tifffile  # costs a tenth of a second, and most folders hold none

    with tifffile.TiffFile(source) as file:
        page = file.pages[0]
        # overviews (bit 0) and masks (bit 2) belong to the page before them
        seen = islice(file.pages, MOST_PAGES)
        pages = sum(1 for other in seen if not int(getattr(other, 'subfiletype', 0)) & 5) or 1
        photometric = {0: 'grey', 1: 'grey', 2: 'rgb', 3: 'palette', 5: 'cmyk', 6: 'rgb', 32844: 'grey'}.get(
            int(page.photometric), str(getattr(page.photometric, 'name', page.photometric))
        )
        sample = {1: 'uint', 2: 'int', 3: 'float'}.get(int(page.sampleformat), 'other')
        bits = page.bitspersample
        extra = tuple(map(int, page.extrasamples or ()))
        turn = page.tags.valueof(ORIENTATION) or 1
        return Head(
            path,
            'TIFF',
            photometric,
            page.imagewidth,
            page.imagelength,
            page.samplesperpixel,
            int(bits if isinstance(bits, int) else bits[0]),
            sample,
            bool(extra) and extra[-1] in (1, 2),
            turn if turn in range(1, 9) else 1,
            pages,
            int(page.compression) in LOSSY_TIFF,
            separate=int(page.planarconfig or 1) == 2,
            nodata=_number(page.tags.valueof(GDAL_NODATA)),
            bounded=int(page.compression) in BOUNDED_TIFF,
        )


def _orientation(picture: Image.Image, path: str, data: bytes | None) -> int:
    """EXIF's orientation; a PNG may have it behind its pixels, which are decoded only then."""
    if picture.format == 'PNG' and 'exif' not in picture.info and b'eXIf' in end_of(path, data, 1 << 14):
        picture.load()
    if 'exif' not in picture.info:
        return 1
    tags = Image.Exif()
    tags.load(picture.info['exif'])
    turn = tags.get(ORIENTATION, 1)
    return turn if turn in range(1, 9) else 1


def _number(text: object) -> float | None:
    try:
        return float(str(text).strip('\0 '))
    except ValueError:
        return None
