"""Label maps that a trained network predicts: of files, of pixels, and as pictures beside the images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.structures import BaseDataElement
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.analysis import overlay
from sw_mmseg.datasets import with_this_reader
from sw_mmseg.datasets.folder_files import PICTURES, foreign_files, list_folder
from sw_mmseg.running.data_sets import reads_labels
from sw_mmseg.running.errors import UserError, is_user_error
from sw_mmseg.running.outputs import Outputs

__all__ = [
    'build_pipeline',
    'build_reader',
    'files_of',
    'find_images',
    'fitted',
    'meta_of',
    'names_below',
    'says_size',
    'segment',
    'segment_pixels',
    'test_pixels',
    'write',
]

SUFFIXES = set(PICTURES)
FEW = 32  # pixels a side; an image of fewer may be too small
Reader = Callable[[Path], np.ndarray]


def find_images(path: Path) -> dict[str, Path]:
    """Name of the results, relative to the folder -> file. Linked folders are entered, each once; hidden files are not
    taken.

    Raises:
        UserError: there are none.
    """
    if path.is_file():
        return {path.stem: path}
    listing = list_folder(str(path), PICTURES)
    if not listing.files:
        raise UserError(
            f'no images in {path}: give a folder with {", ".join(PICTURES)} files{foreign_files(listing.left_out)}'
        )
    return names_below([path / name for name in listing.files], path)


def names_below(files: Sequence[Path], folder: Path | None = None) -> dict[str, Path]:
    """Path below the folder without the file's ending -> file; files that differ in nothing but their ending keep it.

    Args:
        files: all that results are written of.
        folder: the deepest one that holds them all, if not given.
    """
    folder = folder or Path(os.path.commonpath([file.parent for file in files]))
    whole = [file.relative_to(folder).as_posix() for file in files]
    stems = [Path(name).with_suffix('').as_posix() for name in whole]
    counts = Counter(stems)
    names = [stem if counts[stem] == 1 else name for stem, name in zip(stems, whole)]
    return dict(zip(names if len(set(names)) == len(names) else whole, files))


def meta_of(dataset: dict) -> dict:
    """Classes and palette of a data set's config; the folders need not be there."""
    kind, named = DATASETS.get(dataset['type']), dataset.get('metainfo', {})
    if {'classes', 'palette'} <= named.keys():
        return dict(named)
    return kind.meta_of(dataset) if hasattr(kind, 'meta_of') else kind.METAINFO


def build_pipeline(pipeline: list[dict], from_file: bool = True) -> Compose:
    """The config's test pipeline without the steps that read labels; and, not `from_file`, that which reads images."""
    steps = [t for t in pipeline if not reads_labels(t)]
    return Compose(with_this_reader(t for t in steps if from_file or not _reads_images(t)))


def build_reader(pipeline: list[dict]) -> Reader:
    """File -> H×W×3 BGR, as data sets read it in training: by `LoadImage`, with the bands and the white that the
    config's pipeline names. UserError where it cannot."""
    load = Compose(with_this_reader(t for t in pipeline if _reads_images(t)))

    def read(file: Path) -> np.ndarray:
        try:
            return load({'img_path': str(file)})['img']
        except Exception as error:  # a loader raises almost anything on a damaged file
            if is_user_error(error):
                raise
            raise UserError(f'{file} cannot be read as an image: {type(error).__name__}: {error}') from error

    return read


def says_size(pipeline: Iterable[dict]) -> bool:
    """Whether a test pipeline brings images to the size at which its network looks."""
    return any('Resize' in str(t['type']) for t in pipeline)


def _reads_images(transform: dict) -> bool:
    return 'LoadImage' in str(transform['type'])


def segment(model: torch.nn.Module, pipeline: Compose, file: Path) -> np.ndarray:
    """H×W uint8 train ids at the image's own size."""
    return _labels(_test(model, pipeline({'img_path': str(file)})))


def segment_pixels(
    model: torch.nn.Module, pipeline: Compose, image: np.ndarray, file: Path | None = None
) -> np.ndarray:
    """The same of H×W×3 BGR pixels, with a pipeline that reads no file; errors of `test_pixels`."""
    return _labels(test_pixels(model, pipeline, image, file))


def test_pixels(
    model: torch.nn.Module, pipeline: Compose, image: np.ndarray, file: Path | None = None
) -> BaseDataElement:
    """What a network of any task says of H×W×3 BGR pixels, with a pipeline that reads no file.

    Raises:
        UserError: of very few pixels the network's layers leave none; names `file`.
    """
    try:
        return _test(model, pipeline({'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}))
    except (RuntimeError, ValueError) as error:
        if min(image.shape[:2]) >= FEW:
            raise
        size = f'{image.shape[1]}x{image.shape[0]}'
        raise UserError(f'{file or "an image"} is {size}, too small for this network ({error})') from error


@torch.no_grad()
def _test(model: torch.nn.Module, packed: dict) -> BaseDataElement:
    (sample,) = model.test_step({'inputs': [packed['inputs']], 'data_samples': [packed['data_samples']]})
    return sample


def _labels(sample: BaseDataElement) -> np.ndarray:
    return sample.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)


def fitted(image: np.ndarray, side: int) -> np.ndarray:
    """The image, H×W×3 uint8, scaled down where its longer side has more than `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)


def files_of(name: str) -> tuple[str, str]:
    """The two files of one image: label map and overlay."""
    return f'{name}.png', f'{name}_overlay.jpg'


def write(labels: np.ndarray, image: np.ndarray, outputs: Outputs, name: str, palette: list, opacity: float) -> None:
    """The two pictures of one image, the overlay last.

    Args:
        labels: H×W uint8.
        image: H×W×3 uint8 BGR.
        outputs: where they go.
        name: of the image, without ending.
        palette: a colour a class.
        opacity: of the colours in the overlay.
    """
    picture = Image.fromarray(labels, mode='P')
    picture.putpalette([channel for colour in palette for channel in colour])
    painted = Image.fromarray(overlay(np.ascontiguousarray(image[..., ::-1]), labels, palette, opacity))
    label_map, painting = files_of(name)
    outputs.write_encoded(label_map, partial(picture.save, format='PNG'))
    outputs.write_encoded(painting, partial(painted.save, format='JPEG', quality=92))
