"""The one reader of label files: ids, palette indices or colours, exactly as they were written.

Nothing is mapped to classes here (`class_table`, `loading`), and nothing is guessed about a whole folder
(`label_kinds`). What smears ids, such as JPEG, is refused.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import mmengine.fileio as fileio
import numpy as np

from sw_mmseg.files import refuse_special

from .errors import DatasetError
from .file_head import Head, read_head
from .raster_file import read_raster

__all__ = ['NUMPY', 'VOID', 'LabelFile', 'read_label']

NUMPY = ('.npy', '.npz')
MOST_TAG = 63  # of a simulator's ids in one band; the darkest red of common palettes is 64
VOID = -1  # the id of pixels that a file declares to be without data


@dataclass(frozen=True)
class LabelFile:
    """What a label file holds.

    `kind` is 'ids', 'palette' (`values` are indices), 'grey' (an RGB picture in which every pixel is grey: `values` are
    its greys) or 'colours' (`values` are (H, W, 3) uint8 RGB).
    """

    kind: str
    values: np.ndarray
    palette: np.ndarray | None = None  # (K, 3) uint8
    head: Head | None = None  # None for numpy's files
    notes: tuple[str, ...] = ()

    def colours(self) -> np.ndarray | None:
        """The file as a picture (H, W, 3) uint8; None where its ids are no 8-bit greys."""
        if self.kind == 'colours':
            return self.values
        if self.kind == 'palette':
            table = np.zeros((256, 3), np.uint8)
            table[: len(self.palette)] = self.palette[:256]
            return table[self.values]
        if self.values.dtype == np.uint8:
            return np.repeat(self.values[..., None], 3, axis=2)
        return None


def read_label(path: str, backend_args: dict | None = None) -> LabelFile:
    """A label file, turned by its own EXIF orientation.

    Raises:
        DatasetError: missing, damaged, lossy, of several pages, or of pixels that are neither ids nor colours.
    """
    try:
        refuse_special(path)
        data = fileio.get(path, backend_args=backend_args)
    except FileNotFoundError:
        raise DatasetError(f'label file {path} is missing') from None
    except OSError as error:
        raise DatasetError(f'label file {path} cannot be read ({error.strerror or error})') from error
    if Path(path).suffix.lower() in NUMPY:
        return _of_bands(path, _numpy(path, data), None)
    head = read_head(path, data, 'label file')
    if head.lossy:
        raise DatasetError(
            f'label file {path} is a {head.format} whose compression changes ids at every edge; no '
            'reader can undo that. Give the labels as PNG, TIFF or npy, as they were first written'
        )
    values, palette = read_raster(head, data, 'label file')
    if palette is not None:
        return LabelFile('palette', values, palette, head)
    label_file = _of_bands(path, values, head)
    if label_file.kind == 'ids' and head.nodata is not None and not 0 <= head.nodata < 255:
        empty = label_file.values == head.nodata
        if empty.any():
            note = f'pixels of the value {head.nodata:g}, which the files declare to be no data, are taken as no class'
            label_file = replace(
                label_file,
                values=np.where(empty, VOID, label_file.values.astype(np.int64)),
                notes=(*label_file.notes, note),
            )
    return replace(label_file, head=head)


def _of_bands(path: str, values: np.ndarray, head: Head | None) -> LabelFile:
    """Ids or colours of what was stored."""
    notes: list[str] = []
    count = 1 if values.ndim == 2 else values.shape[2]
    if count in (2, 4):
        values, notes = _without_alpha(path, values, head)
        count -= 1
    if count == 1:
        ids, more = _whole_numbers(path, values.reshape(values.shape[:2]))
        return LabelFile('ids', ids, notes=(*notes, *more))
    if count != 3 or values.dtype not in (np.uint8, np.uint16):
        content = head.text() if head else f'an array of {count} bands of {values.dtype}'
        raise DatasetError(
            f'label file {path} is {content}: labels have one id a pixel, or 8-bit colours. Write the '
            'band that holds the ids to a file of its own, for instance: '
            'gdal_translate -b 1 FILE NEW.tif'
        )
    if values.dtype == np.uint16:
        return _deep_colours(path, values, notes)
    return _of_colours(values, notes)


def _of_colours(values: np.ndarray, notes: list[str]) -> LabelFile:
    if (values[..., :1] == values[..., 1:]).all():
        return LabelFile('grey', values[..., 0], notes=tuple(notes))
    for band, name in ((0, 'red'), (2, 'blue')):
        ids = values[..., band]
        if ids.max() <= MOST_TAG and not np.delete(values, band, axis=2).any():
            note = (
                f'colours of small {name} values alone: class ids are taken from the {name} band, as CARLA writes them'
            )
            return LabelFile('grey', ids, notes=(*notes, note))
    return LabelFile('colours', values, notes=tuple(notes))


def _deep_colours(path: str, values: np.ndarray, notes: list[str]) -> LabelFile:
    """Three bands of 16 bits: 8-bit colours spread to 16; or, as in SYNTHIA, ids of classes and of objects."""
    if not (values % 257).any():
        return _of_colours((values // 257).astype(np.uint8), notes)
    if (values[..., :1] == values[..., 1:]).all():
        return LabelFile('ids', values[..., 0].astype(np.int64), notes=tuple(notes))
    if not values[..., 2].any():
        return LabelFile(
            'ids',
            values[..., 0].astype(np.int64),
            notes=(
                *notes,
                'colours of 16 bits without blue: class ids are taken from the first band, the second, of objects, '
                'is not used',
            ),
        )
    raise DatasetError(
        f'label file {path} holds colours of 16 bits that are neither 8-bit colours nor ids in the '
        'first band: write the band that holds the ids to a file of its own'
    )


def _without_alpha(path: str, values: np.ndarray, head: Head | None) -> tuple[np.ndarray, list[str]]:
    """Without a last band that says nothing, or nothing that the colours do not."""
    if head is None or not head.alpha:
        content = head.text() if head else f'an array of {values.shape[2]} bands'
        raise DatasetError(f'label file {path} is {content}: labels have one id a pixel, or three bands of colour')
    alpha, bands = values[..., -1], values[..., :-1]
    if alpha.min() == alpha.max():
        return bands, []
    clear, full = alpha == 0, np.iinfo(alpha.dtype).max
    hidden = bands[clear]
    if not np.isin(alpha, (0, full)).all() or (hidden != hidden[0]).any():
        raise DatasetError(
            f'label file {path} is partly transparent, which makes its colours uncertain: write it '
            'without transparency, for instance: magick FILE -background black -alpha remove NEW.png'
        )
    if (bands == bands[0, 0]).all():
        raise DatasetError(
            f'label file {path} is of one colour and differs in its transparency alone: the labels seem '
            'to be there. Write them as a grey file: magick FILE -alpha extract NEW.png'
        )
    return bands, ['transparent pixels are taken with the one colour that they all have']


def _whole_numbers(path: str, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Ids as uint8 or int64."""
    if values.dtype == bool or values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False), []
    if values.dtype.kind == 'f':
        missing = np.isnan(values)
        whole = np.where(missing, VOID, values.astype(np.float64))
        if (whole != np.round(whole)).any() or np.abs(whole).max() > 2**53:
            odd = whole[whole != np.round(whole)]
            raise DatasetError(
                f'label file {path} holds fractions, such as {odd[0] if odd.size else whole.max():g}: '
                'they look like depths or probabilities; labels are whole numbers'
            )
        note = [f'pixels without a number (NaN) are taken as {VOID}, no class'] if missing.any() else []
        return whole.astype(np.int64), note
    if values.dtype.kind not in 'iu':
        raise DatasetError(f'label file {path} holds values of type {values.dtype}; labels are whole numbers')
    if values.dtype == np.uint64 and values.max() > np.iinfo(np.int64).max:
        raise DatasetError(f'label file {path} holds ids beyond 63 bits')
    return values.astype(np.int64), []


def _numpy(path: str, data: bytes) -> np.ndarray:
    try:
        content = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = [content] if isinstance(content, np.ndarray) else [content[name] for name in content.files]
    except Exception as error:
        raise DatasetError(
            f'label file {path} cannot be read ({error}); an array of ids, saved by numpy.save, is understood'
        ) from error
    if len(arrays) != 1:
        raise DatasetError(f'label file {path} holds {len(arrays)} arrays; save the labels alone')
    values = arrays[0]
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or values.size == 0:
        raise DatasetError(f'label file {path} holds an array of shape {values.shape}; labels are (height, width)')
    return values
