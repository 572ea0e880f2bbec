"""Label maps that a trained network predicts: of files, of pixels, and as pictures beside the images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.structures import BaseDataElement
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.analysis import overlay
from sw_mmseg.running.data_sets import reads_labels
from sw_mmseg.running.errors import UserError

__all__ = ['build_pipeline', 'find_images', 'meta_of', 'segment', 'segment_pixels', 'test_pixels', 'write']

SUFFIXES = {'.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp'}


def find_images(path: Path) -> dict[str, Path]:
    """Name without suffix, relative to the folder -> file."""
    if path.is_file():
        return {path.stem: path}
    files = sorted(p for p in path.rglob('*') if p.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f'no images in {path}: give a folder with {", ".join(sorted(SUFFIXES))} files')
    names = {str(p.relative_to(path).with_suffix('')): p for p in files}
    if len(names) < len(files):
        raise UserError(f'{path} has images that differ only in their suffix: results would overwrite one another')
    return names


def meta_of(dataset: dict) -> dict:
    """Classes and palette of a data set's config; the folders need not be there."""
    kind = DATASETS.get(dataset['type'])
    return kind.meta_of(dataset) if hasattr(kind, 'meta_of') else kind.METAINFO


def build_pipeline(pipeline: list[dict], from_file: bool = True) -> Compose:
    """The config's test pipeline without the steps that read labels; and, not `from_file`, that which reads images."""
    steps = [t for t in pipeline if not reads_labels(t)]
    return Compose([t for t in steps if from_file or 'LoadImage' not in str(t['type'])])


def segment(model: torch.nn.Module, pipeline: Compose, file: Path) -> np.ndarray:
    """H×W uint8 train ids at the image's own size."""
    if cv2.imread(str(file)) is None:
        raise UserError(f'{file} cannot be read as an image')
    return _labels(_test(model, pipeline({'img_path': str(file)})))


def segment_pixels(model: torch.nn.Module, pipeline: Compose, image: np.ndarray) -> np.ndarray:
    """The same of H×W×3 BGR pixels, with a pipeline that reads no file."""
    return _labels(test_pixels(model, pipeline, image))


def test_pixels(model: torch.nn.Module, pipeline: Compose, image: np.ndarray) -> BaseDataElement:
    """What a network of any task says of H×W×3 BGR pixels, with a pipeline that reads no file."""
    return _test(model, pipeline({'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}))


@torch.no_grad()
def _test(model: torch.nn.Module, packed: dict) -> BaseDataElement:
    (sample,) = model.test_step({'inputs': [packed['inputs']], 'data_samples': [packed['data_samples']]})
    return sample


def _labels(sample: BaseDataElement) -> np.ndarray:
    return sample.pred_sem_seg.data.squeeze().cpu().numpy().astype(np.uint8)


def write(labels: np.ndarray, file: Path, out: Path, palette: list, opacity: float) -> None:
    """The two pictures of one image."""
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels, mode='P')
    picture.putpalette([channel for colour in palette for channel in colour])
    picture.save(out.with_name(f'{out.name}.png'))
    image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
    Image.fromarray(overlay(image, labels, palette, opacity)).save(out.with_name(f'{out.name}_overlay.jpg'), quality=92)
