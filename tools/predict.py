"""Segment your own images: `tools/predict.py CONFIG CHECKPOINT INPUT OUT`, INPUT an image or a folder of images.

For each image NAME, OUT holds NAME.png, whose pixel values are train ids and whose palette shows them in colour, and
NAME_overlay.jpg, the same laid over the image. Sub-folders are kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from _cli import UserError, add_common_arguments, build, load_config, reads_labels, run_tool
from _streets import use_streets
from _weights import load_network
from mmcv.transforms import Compose
from mmengine.structures import BaseDataElement
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from tqdm import tqdm

from sw_mmseg.analysis import overlay

SUFFIXES = {'.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp'}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('input', type=Path, help='an image, or a folder of images')
    parser.add_argument('out', type=Path, help='a folder')
    parser.add_argument('--opacity', type=float, default=0.55, help='of the colours in the overlay, 0 to 1')
    parser.add_argument('--streets', action='store_true', help='of a checkpoint that train.py --streets wrote')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_common_arguments(parser)
    return parser.parse_args(arguments)


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


def main(args: argparse.Namespace) -> int:
    """Parse, segment, write."""
    if not args.input.exists():
        raise UserError(f'no image or folder {args.input}')
    images = find_images(args.input)
    config = load_config(args.config, args.cfg_options, args.work_dir)
    if args.streets:
        use_streets(config)
    if config.get('default_scope') == 'mmdet':
        raise UserError(f'{args.config} detects and labels no pixels: tools/image_demo.py draws what it finds')
    model = load_network(MODELS, config, args)
    dataset = config.test_dataloader.dataset
    palette = build('data set', lambda: meta_of(dataset)['palette'])
    pipeline = build('pipeline', lambda: build_pipeline(dataset.pipeline))
    for name, file in tqdm(images.items(), unit='image', disable=len(images) == 1):
        write(segment(model, pipeline, file), file, args.out / name, palette, args.opacity)
    print(f'{len(images)} segmented, in {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_arguments()))
