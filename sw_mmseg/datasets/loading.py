"""Reading pictures and label files, with an error that names the file when something is wrong with it.

Labels are mapped on the fly: what is on disk stays as it was downloaded. GTA5's label files are paletted, and what
counts is the palette INDEX of a pixel: a reader that returns colours (OpenCV's) would make noise of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine.logging import print_log
from mmseg.registry import TRANSFORMS
from PIL import Image

from .camvid_labels import VOID, camvid_to_train
from .class_table import ClassTable
from .errors import DatasetError
from .file_head import SWAPPED
from .image_file import read_image
from .label_file import LabelFile, read_label
from .labels import (
    IGNORE,
    LICENSE_PLATE,
    NUM_ADE20K_CLASSES,
    NUM_CLASSES,
    UNKNOWN,
    ade20k_to_train,
    raw_to_train,
    train_to_train,
)
from .once import say_once
from .raster_file import turned

__all__ = ['LoadImage', 'LoadLabels', 'map_ids', 'read_label_file', 'read_labels', 'turned_like', 'with_this_reader']

TABLES = {'raw': raw_to_train(), 'train': train_to_train(), 'ade20k': ade20k_to_train(), 'camvid': camvid_to_train()}
MISMATCHES = ('error', 'resize')
_EXPECTED = {
    'raw': f'raw ids 0 to {LICENSE_PLATE}. A file with train ids is read with label_ids="train"',
    'camvid': f'ids 0 to {VOID - 1} and {VOID} for void',
    'ade20k': f'ids 0 (other) to {NUM_ADE20K_CLASSES}',
    'train': f'train ids 0 to {NUM_CLASSES - 1} and {IGNORE}. A file with raw ids is read with label_ids="raw"',
}


def read_label_file(path: str, backend_args: dict | None = None) -> np.ndarray:
    """The numbers in a label file, (H, W) uint8: grey values, or palette indices of a paletted file.

    Raises `DatasetError` where the file is missing, broken, or holds colours.
    """
    return _eight_bit_ids(read_label(path, backend_args), path)


def _eight_bit_ids(label_file: LabelFile, path: str) -> np.ndarray:
    head, values = label_file.head, label_file.values
    if label_file.kind in ('ids', 'palette') and values.dtype == np.uint8 and (not head or head.bits > 1):
        return values
    content = head.text() if head else 'numpy'
    raise DatasetError(
        f'label file {path} holds {content} pixels, not ids: it is a colour picture of the labels, or a program '
        'that saved it anew dropped its palette. Unpack the original: one grey channel, or a palette.'
    )


def map_ids(values: np.ndarray, label_ids: str, path: str) -> np.ndarray:
    """Ids on disk, of a kind of `TABLES`, to train ids (H, W) uint8; `DatasetError` for an unknown id."""
    labels = TABLES[label_ids][values]
    if (labels == UNKNOWN).any():
        unknown = np.unique(values[labels == UNKNOWN]).tolist()
        raise DatasetError(f'label file {path} holds unknown ids {unknown}; expected {_EXPECTED[label_ids]}.')
    return labels


def read_labels(path: str, label_ids: str | ClassTable, backend_args: dict | None = None) -> np.ndarray:
    """The classes in a label file, (H, W) uint8: of a known kind of file, or by a table of one's own."""
    return _read_labels(path, label_ids, backend_args)[0]


def _read_labels(path: str, label_ids: str | ClassTable, backend_args: dict | None) -> tuple[np.ndarray, LabelFile]:
    label_file = read_label(path, backend_args)
    for note in label_file.notes:
        say_once(f'label files: {note}', path)
    if isinstance(label_ids, ClassTable):
        return label_ids.classes_in(label_file, path), label_file
    return map_ids(_eight_bit_ids(label_file, path), label_ids, path), label_file


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Any common image as mmcv's `LoadImageFromFile` gives it (BGR, uint8); failures name the file.

    Args:
        white: the value of deep pixels (more than 8 bits, or floating point) that becomes 255; None decides by each
            file's largest value.
        bands: which bands of a file are red, green and blue, from 0; None for files that say it themselves.
        bands_of: the number of bands of the files that `bands` is about; others say themselves. None: all files.
        arguments: of mmcv's class. With another `color_type` or `imdecode_backend` than the usual, mmcv's own reader
            reads.
    """

    def __init__(
        self, white: float | None = None, bands: Sequence[int] | None = None, bands_of: int | None = None, **arguments
    ) -> None:
        super().__init__(**arguments)
        self.white, self.bands, self.bands_of = white, None if bands is None else tuple(bands), bands_of

    def transform(self, results: dict) -> dict:
        """Adds `img` (H, W, 3), `img_shape`, `ori_shape`, and `orientation`, EXIF's, by which the image was turned.

        Raises:
            DatasetError: a missing or broken file, or one that cannot be shown as an image.
        """
        path = results['img_path']
        try:
            if (self.color_type, self.imdecode_backend) != ('color', 'cv2'):
                return super().transform(results)
            data = fileio.get(path, backend_args=self.backend_args)
            image_file = read_image(path, data, self.white, self.bands, self.bands_of)
        except FileNotFoundError:
            raise DatasetError(f'image {path} is missing') from None
        except DatasetError:
            if self.ignore_empty:
                return None
            raise
        except Exception as error:
            raise DatasetError(f'image {path} cannot be read ({error}). Download or unpack it again.') from error
        for note in image_file.notes:
            say_once(f'images: {note}', path)
        image = image_file.pixels.astype(np.float32) if self.to_float32 else image_file.pixels
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        results['orientation'] = image_file.head.orientation
        return results


def with_this_reader(pipeline: Iterable[dict]) -> list[dict]:
    """A pipeline in which `LoadImage` reads where mmcv's `LoadImageFromFile` did; its other arguments stay.

    Test pipelines name mmcv's class, which OpenMMLab's inferencers look for. It takes the high byte of deep pixels and
    cuts bands, so that a network would see other images in tests than in training.
    """
    return [{**step, 'type': LoadImage} if _is_mmcvs_reader(step) else step for step in pipeline]


def _is_mmcvs_reader(step: dict) -> bool:
    kind = step['type']
    return kind.rpartition('.')[2] == 'LoadImageFromFile' if isinstance(kind, str) else kind is LoadImageFromFile


@TRANSFORMS.register_module()
class LoadLabels(BaseTransform):
    """Reads the label file of a picture and maps its ids to train ids.

    Args:
        mismatch: what to do where a label file's size is not its image's. 'error' raises; 'resize' brings the labels to
            the image's size by nearest neighbour and logs the file (a few of GTA5's files need it).
        backend_args: of mmengine's file client.
    """

    def __init__(self, mismatch: str = 'error', backend_args: dict | None = None) -> None:
        if mismatch not in MISMATCHES:
            raise ValueError(f'mismatch={mismatch!r}; valid are {", ".join(MISMATCHES)}')
        self.mismatch = mismatch
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Adds `gt_seg_map` (H, W) uint8, of the size that the image has on disk."""
        path = results.get('seg_map_path')
        if path is None and 'seg_fields' not in results:
            return results  # of no data set: mmseg's inferencer, which has no labels and takes out only its own loader
        if path is None:
            raise DatasetError(
                f'{results.get("img_path")} is of a data set without labels; its pipeline must not load any'
            )
        labels, label_file = _read_labels(path, results.get('label_ids', 'raw'), self.backend_args)
        if label_file.head is None or label_file.head.orientation == 1:
            labels = turned_like(labels, results)
        labels = self._fit(labels, results)
        if results.get('label_map') is not None:  # a choice of classes, by mmseg's `metainfo`
            chosen = np.arange(256, dtype=np.uint8)
            chosen[list(results['label_map'])] = list(results['label_map'].values())
            labels = chosen[labels]
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')
        return results

    def _fit(self, labels: np.ndarray, results: dict) -> np.ndarray:
        """The labels at the image's own size."""
        size = results.get('ori_shape', labels.shape)
        if labels.shape == tuple(size):
            return labels
        path = results['seg_map_path']
        message = (
            f'label file {path} is {labels.shape[1]}x{labels.shape[0]}, its image {results["img_path"]} '
            f'{size[1]}x{size[0]}'
        )
        if self.mismatch == 'error':
            raise DatasetError(f'{message}. Check the file, or use LoadLabels(mismatch="resize").')
        print_log(f'{message}: resized to the image', logger='current', level=logging.DEBUG)
        return np.asarray(Image.fromarray(labels).resize((size[1], size[0]), Image.NEAREST))


def turned_like(labels: np.ndarray, results: dict) -> np.ndarray:
    """Labels (H, W) in the frame of an image that EXIF turned, where their own file says nothing.

    `results` has the image's `orientation`, and `label_frame`: 'shown' (labels were drawn on the turned image),
    'stored' (on the image as its file holds it), or None, where sizes must tell. Raises `DatasetError` where nothing
    tells.
    """
    turn, frame = results.get('orientation', 1), results.get('label_frame')
    if turn == 1 or frame == 'shown':
        return labels
    shown = tuple(results['ori_shape'])
    if turn in SWAPPED and shown[0] != shown[1]:
        return turned(labels, turn) if labels.shape == shown[::-1] else labels
    if frame == 'stored':
        return turned(labels, turn)
    if isinstance(results.get('label_ids'), ClassTable):
        raise DatasetError(
            f'image {results["img_path"]} is turned by its EXIF orientation ({turn}), its label file '
            f'{results["seg_map_path"]} is not. Say what the labels were drawn on, with '
            'LabelledImages(label_frame="shown"), the image as it is shown, or "stored", as its file holds it'
        )
    return labels
