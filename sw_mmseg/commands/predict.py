"""Segment your own images: `tools/predict.py CONFIG CHECKPOINT INPUT OUT`, INPUT an image or a folder of images.

`tools/predict.py --model photographs INPUT OUT` takes weights that come with the package (docs/model_cards.md).

For each image NAME, OUT holds NAME.png, whose pixel values are train ids and whose palette shows them in colour, and
NAME_overlay.jpg, the same laid over the image. Sub-folders are kept, linked folders are entered.

Files that cannot be read are left out, counted and named at the end. Exit status: 0 where all were segmented, 1 where
some could not be read, 2 where nothing was done. Files that exist are not written over without --overwrite, unless an
earlier call wrote them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from mmseg.registry import MODELS
from tqdm import tqdm

from sw_mmseg.running.blending import add_blend, blended
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.failures import Failures
from sw_mmseg.running.outputs import Outputs, add_overwrite, refuse_among_inputs
from sw_mmseg.running.prediction import (
    build_pipeline,
    build_reader,
    files_of,
    find_images,
    meta_of,
    says_size,
    segment_pixels,
    write,
)
from sw_mmseg.running.ready_weights import SEGMENTATION, add_model, asked_config, says_model, use_model
from sw_mmseg.running.streets import use_streets


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if not says_model(arguments):
        parser.add_argument('config', help='the config the network was trained with')
        parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('input', type=Path, help='an image, or a folder of images')
    parser.add_argument('out', type=Path, help='a folder')
    parser.add_argument('--opacity', type=float, default=0.55, help='of the colours in the overlay, 0 to 1')
    parser.add_argument('--streets', action='store_true', help='of a checkpoint that train.py --streets wrote')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_model(parser, SEGMENTATION, 'CONFIG CHECKPOINT')
    add_blend(parser)
    add_overwrite(parser)
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Parse, segment, write."""
    if args.model:
        use_model(args, SEGMENTATION)
    if not args.input.exists():
        raise UserError(f'no image or folder {args.input}')
    if not 0 <= args.opacity <= 1:
        raise UserError(f'--opacity must lie between 0 and 1, got {args.opacity}')
    images = find_images(args.input)
    if args.input.is_dir():
        refuse_among_inputs(args.out, args.input)
    outputs = Outputs(args.out, 'predict', args.overwrite)
    outputs.refuse_existing((file for name in images for file in files_of(name)), images.values())
    config = asked_config(args)
    if args.streets:
        use_streets(config)
    if config.get('default_scope') == 'mmdet':
        raise UserError(f'{args.config} detects and labels no pixels: tools/image_demo.py draws what it finds')
    model = load_network(MODELS, config, args)
    dataset = config.test_dataloader.dataset
    palette = build('data set', lambda: meta_of(dataset)['palette'])
    pipeline, read = build(
        'pipeline', lambda: (build_pipeline(dataset.pipeline, from_file=False), build_reader(dataset.pipeline))
    )
    if not says_size(dataset.pipeline):
        print(
            f'{args.config} does not say at what size its network looks (its test pipeline has no Resize): images '
            'are segmented at their own size, which should be that of the training'
        )
    failures = Failures()
    try:
        with blended(model, args.blend):
            for name, file in tqdm(images.items(), unit='image', disable=len(images) == 1):
                with failures.past():
                    image = read(file)
                    write(segment_pixels(model, pipeline, image, file), image, outputs, name, palette, args.opacity)
    finally:  # a signal keeps what is done
        print(f'{failures.done} segmented, in {args.out}')
    return failures.status('segmented')
