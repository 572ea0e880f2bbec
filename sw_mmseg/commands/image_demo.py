"""See what a network sees: `tools/image_demo.py CONFIG CHECKPOINT INPUT OUT`, INPUT an image, a folder or a video.

For each image NAME, OUT holds NAME_demo.jpg: the image under the colours of its classes, with a legend that names each
class and its share, or, where the network detects, under masks, boxes and scores. A video becomes NAME_demo.mp4.
`tools/predict.py` writes label maps for programs to read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch
from tqdm import tqdm

from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.painting import build_painter, paint_video
from sw_mmseg.running.prediction import SUFFIXES, find_images

VIDEOS = {'.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg'}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('input', type=Path, help='an image, a folder of images, or a video')
    parser.add_argument('out', type=Path, help='a folder')
    parser.add_argument('--opacity', type=float, default=0.55, help='of the colours, 0 to 1')
    parser.add_argument('--score', type=float, default=0.3, help='of a detector, leave out what it is less sure of')
    parser.add_argument('--every', type=int, default=1, metavar='N', help='of a video, take every N-th frame')
    parser.add_argument('--streets', action='store_true', help='of a checkpoint that train.py --streets wrote')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Parse, paint, write."""
    if not args.input.exists():
        raise UserError(f'no image, folder or video {args.input}')
    if args.every < 1 or not 0 <= args.opacity <= 1:
        raise UserError('--every must be at least 1 and --opacity lie between 0 and 1')
    suffix = args.input.suffix.lower()
    if args.input.is_file() and suffix not in VIDEOS | SUFFIXES:
        raise UserError(f'{args.input} is neither an image ({", ".join(sorted(SUFFIXES))}) nor a video '
                        f'({", ".join(sorted(VIDEOS))})')
    images = {} if suffix in VIDEOS else find_images(args.input)
    paint = build_painter(args)
    args.out.mkdir(parents=True, exist_ok=True)
    if suffix in VIDEOS:
        count = paint_video(paint, args.input, args.out / f'{args.input.stem}_demo.mp4', args.every)
        print(f'{count} frames in {args.out}/{args.input.stem}_demo.mp4')
        return 0
    for name, file in tqdm(images.items(), unit='image', disable=len(images) == 1):
        image = cv2.imread(str(file))
        if image is None:
            raise UserError(f'{file} cannot be read as an image')
        target = args.out / f'{name}_demo.jpg'
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), paint(image), [cv2.IMWRITE_JPEG_QUALITY, 92])
    print(f'{len(images)} painted, in {args.out}')
    return 0
