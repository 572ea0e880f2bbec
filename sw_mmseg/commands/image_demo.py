"""See what a network sees: `tools/image_demo.py CONFIG CHECKPOINT INPUT OUT`, INPUT an image, a folder or a video.

`tools/image_demo.py --model photographs INPUT OUT` takes weights that come with the package (docs/model_cards.md).

For each image NAME, OUT holds NAME_demo.jpg: the image under the colours of its classes, with a legend that names each
class and its share, or, where the network detects, under masks, boxes and scores. A video becomes NAME_demo.mp4.
`tools/predict.py` writes label maps for programs to read, and says what happens to files that cannot be read, that
exist already, and to sub-folders.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch
from tqdm import tqdm

from sw_mmseg.datasets.folder_files import VIDEOS
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.failures import Failures
from sw_mmseg.running.outputs import Outputs, add_overwrite, refuse_among_inputs
from sw_mmseg.running.painting import build_painter, paint_video
from sw_mmseg.running.prediction import SUFFIXES, find_images
from sw_mmseg.running.ready_weights import SEGMENTATION, add_model, says_model, use_model


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if not says_model(arguments):
        parser.add_argument('config', help='the config the network was trained with')
        parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('input', type=Path, help='an image, a folder of images, or a video')
    parser.add_argument('out', type=Path, help='a folder')
    parser.add_argument('--opacity', type=float, default=0.55, help='of the colours, 0 to 1')
    parser.add_argument('--score', type=float, default=0.3, help='of a detector, leave out what it is less sure of')
    parser.add_argument('--every', type=int, default=1, metavar='N', help='of a video, take every N-th frame')
    parser.add_argument('--streets', action='store_true', help='of a checkpoint that train.py --streets wrote')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_model(parser, SEGMENTATION, 'CONFIG CHECKPOINT')
    add_overwrite(parser)
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Parse, paint, write."""
    if args.model:
        use_model(args, SEGMENTATION)
    if not args.input.exists():
        raise UserError(f'no image, folder or video {args.input}')
    if args.every < 1 or not 0 <= args.opacity <= 1:
        raise UserError('--every must be at least 1 and --opacity lie between 0 and 1')
    suffix = args.input.suffix.lower()
    if args.input.is_file() and suffix not in {*VIDEOS, *SUFFIXES}:
        raise UserError(
            f'{args.input} is neither an image ({", ".join(sorted(SUFFIXES))}) nor a video '
            f'({", ".join(sorted(VIDEOS))})'
        )
    outputs = Outputs(args.out, 'image_demo', args.overwrite)
    if args.input.is_file() and suffix in VIDEOS:
        return demonstrate_video(args, outputs)
    images = find_images(args.input)
    if args.input.is_dir():
        refuse_among_inputs(args.out, args.input)
    outputs.refuse_existing((f'{name}_demo.jpg' for name in images), images.values())
    paint, failures = build_painter(args), Failures()
    for name, file in tqdm(images.items(), unit='image', disable=len(images) == 1):
        with failures.past():
            painted = paint(paint.read(file), file)
            content = cv2.imencode('.jpg', painted, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
            outputs.write(f'{name}_demo.jpg', content)
    print(f'{failures.done} painted, in {args.out}')
    return failures.status('painted')


def demonstrate_video(args: argparse.Namespace, outputs: Outputs) -> int:
    """One video."""
    name = f'{args.input.stem}_demo.mp4'
    outputs.refuse_existing([name], [args.input])
    paint = build_painter(args)
    with outputs.writing(name) as part:
        count = paint_video(paint, args.input, part, args.every)
    print(f'{count} frames in {args.out / name}')
    return 0
