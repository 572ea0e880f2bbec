"""Write a trained network as one file that runs without this package: `sw-mmseg export CONFIG CHECKPOINT OUT`.

`--model NAME` in place of CONFIG and CHECKPOINT takes weights that come with the package.

The file takes an image (1, height, width, 3), uint8, RGB, of any size, and gives labels (1, height, width) and logits;
scaling and normalisation are in it. OUT.json, beside it, has the names and colours of classes. Switchable layers become
part of their convolutions where --fold allows. What the file gives is compared with what the network gives here, at two
sizes; an ONNX file needs ONNX Runtime for that (pip install '.[export]'). A program of torch.export (.pt2) takes images
of one size, which --size says.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from sw_mmseg.models.deployed import DeployedSegmentor
from sw_mmseg.own_images.folders import spread
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import add_common_arguments, size_word
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.export_formats import FORMATS, SIZE, Run, quantized, runner_of, save, torch_runner
from sw_mmseg.running.exporting import (
    beside_prediction,
    compare,
    deployed,
    description,
    example_images,
    labelled_images,
    made_ready,
    mean_iou,
    reading,
    scaled_to,
)
from sw_mmseg.running.outputs import Outputs, add_overwrite
from sw_mmseg.running.prediction import build_reader, find_images, meta_of
from sw_mmseg.running.ready_weights import SEGMENTATION, add_model, asked_config, says_model, use_model

WORST = 1e-2  # of the logits, from which on the file is said to differ
LOOKED_AT = 20  # images, for two of different sizes and for the ranges of int8


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if not says_model(arguments):
        parser.add_argument('config', help='the config the network was trained with')
        parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('out', type=Path, help='the file to write, such as network.onnx')
    parser.add_argument('--format', choices=tuple(FORMATS), help="(default: by OUT's ending: .onnx, .pt or .pt2)")
    parser.add_argument('--images', type=Path, metavar='DIR', help='of real images, to compare on (default: noise)')
    parser.add_argument(
        '--fold',
        type=float,
        default=0.0,
        metavar='R',
        help='leave out image statistics whose ratios sum to at most R, 0 to 1, and fold those layers (default: 0)',
    )
    parser.add_argument('--size', type=size_word, metavar='WxH', help='of the images of a .pt2 file, such as 1024x512')
    parser.add_argument(
        '--int8', action='store_true', help='also write OUT with .int8 in its name: ONNX, ranges taken from --images'
    )
    parser.add_argument(
        '--score', action='store_true', help="mean IoU of each file on the config's test set, beside the network's"
    )
    add_model(parser, SEGMENTATION, 'CONFIG CHECKPOINT')
    add_overwrite(parser)
    add_common_arguments(parser)
    args = parser.parse_args(arguments)
    if not 0 <= args.fold < 1:
        parser.error('--fold is a sum of ratios, at least 0 and less than 1')
    return args


def _kind(args: argparse.Namespace) -> str:
    """The format, after a look at the options that go with it."""
    kind = args.format or next((name for name, ending in FORMATS.items() if args.out.suffix == ending), None)
    if kind is None:
        raise UserError(f'{args.out}: give --format, or a name that ends with {" or ".join(FORMATS.values())}')
    if (kind == 'torch-export') != (args.size is not None):
        raise UserError('--size WxH goes with torch-export, whose programs take images of one size; no other needs it')
    if args.out.suffix == '.json':
        raise UserError(f'{args.out}: the names of classes go into a file of that name, so the network needs another')
    if args.int8 and (kind != 'onnx' or args.images is None):
        raise UserError('--int8 is for ONNX, and takes the ranges of values from --images')
    return kind


def main(args: argparse.Namespace) -> int:
    """Parse, export, compare. Exit status 1 where the file differs from the network."""
    warnings.filterwarnings('ignore')  # of tracers, on every branch that they pass
    kind = _kind(args)
    names = [args.out.name, args.out.with_suffix('.json').name]
    names += [args.out.with_suffix('.int8.onnx').name] if args.int8 else []
    outputs = Outputs(args.out.parent, 'export', args.overwrite)
    outputs.refuse_existing(names)
    config, model, whole = _network(args)
    images = _images(args, config)
    _predicts(config, model, whole, _examples(args, images))
    network, count, layers = made_ready(whole, args.fold)
    if layers:
        print(f'{count} of {layers} switchable layers folded into convolutions (--fold {args.fold:g})')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    meta = build('data set', lambda: meta_of(config.test_dataloader.dataset))
    with outputs.writing(names[0]) as part:
        save(network, part, kind, args.size or SIZE)
    outputs.write(names[1], description(kind, meta, args.size, reading(config)))
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {args.out.with_suffix(".json")}')
    if args.int8:
        with outputs.writing(names[2]) as part:
            quantized(args.out, part, (image[None] for image in images))
    files = {file: runner_of(args.out.parent / file, kind) for file in (names[0], *names[2:])}
    runs = {file: run for file, run in files.items() if run is not None}
    if not runs:
        print("not compared: ONNX Runtime is not installed (pip install '.[export]')")
        return 0
    worst = {file: _compared(file, run, whole, _examples(args, images)) for file, run in runs.items()}
    if args.score:
        _score(runs, whole, config, args.size)
    if worst[names[0]] > WORST and args.fold == 0:
        print(f'the file does not give what the network gives: logits differ by {worst[names[0]]:.1e}')
        return 1
    return 0


def _predicts(config: Config, model: torch.nn.Module, whole: DeployedSegmentor, images: list[np.ndarray]) -> None:
    """Before anything is written, says how far the network with its preprocessing is from `predict`.

    Raises:
        UserError: it is another one, though nothing scales images, where OpenCV would round.
    """
    logits, labels = beside_prediction(config, model, whole, images)
    if whole.looks_at is None and not logits <= WORST:  # NaN is none of both
        raise UserError(
            f"what would be exported does not give what predict gives: logits differ by {logits:.1e}. The config's "
            'model or test pipeline does something to images that export does not know'
        )
    rounds = ': OpenCV rounds where it scales' if whole.looks_at else ''
    print(f'predict gives other labels in at most {100 * labels:.3f} % of the pixels of an image{rounds}')


def _network(args: argparse.Namespace) -> tuple[Config, torch.nn.Module, DeployedSegmentor]:
    """The config, the network as it predicts, and with its preprocessing."""
    if args.model:
        use_model(args, SEGMENTATION)
    config = asked_config(args)
    args.device = 'cpu'
    model = load_network(MODELS, config, args)
    return config, model, deployed(config, model)


def _images(args: argparse.Namespace, config: Config) -> list[np.ndarray]:
    """(H, W, 3) uint8, RGB: at most `LOOKED_AT`, evenly spread."""
    files = spread(list(find_images(args.images).values()), LOOKED_AT) if args.images else []
    read = build('pipeline', lambda: build_reader(config.test_dataloader.dataset.pipeline))
    return [np.ascontiguousarray(read(file)[..., ::-1]) for file in files]


def _examples(args: argparse.Namespace, images: list[np.ndarray]) -> list[np.ndarray]:
    """(1, H, W, 3): two sizes, or for a file that takes one size what is of that size, noise if nothing is."""
    if args.size is None:
        return example_images(images)
    shape = (args.size[1], args.size[0], 3)
    fitting = [image[None] for image in images if image.shape == shape]
    return fitting[:2] or [np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)]


def _compared(name: str, run: Run, whole: torch.nn.Module, images: Sequence[np.ndarray]) -> float:
    """Prints a line for each image; the largest difference of all."""
    worst = 0.0
    for d in compare(run, whole, images):
        worst = max(worst, d.logits)
        print(
            f'{name} at {d.size[0]}x{d.size[1]}: largest difference of logits {d.logits:.1e}, {100 * d.labels:.3f} % '
            f'of the labels; {d.seconds:.3f} s, {d.seconds_here:.3f} s in torch'
        )
    return worst


def _score(runs: dict[str, Run], whole: torch.nn.Module, config: Config, size: tuple[int, int] | None) -> None:
    """Prints the mean IoU of the network, then of each file, both at `size` where the file takes no other."""
    if size is not None:
        print(f'mean IoU at {size[0]}x{size[1]}, to which test images of another size are scaled:')
    dataset = config.test_dataloader.dataset
    classes = len(build('data set', lambda: meta_of(dataset))['classes'])
    for name, run in {'torch': torch_runner(whole), **runs}.items():
        print(f'{name}: {mean_iou(scaled_to(run, size), labelled_images(dataset), classes):.2f} mIoU')
