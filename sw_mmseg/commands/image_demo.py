"""See what a network sees: `tools/image_demo.py CONFIG CHECKPOINT INPUT OUT`, INPUT an image, a folder or a video.

For each image NAME, OUT holds NAME_demo.jpg: the image under the colours of its classes, with a legend that names each
class and its share, or, where the network detects, under masks, boxes and scores. A video becomes NAME_demo.mp4.
`tools/predict.py` writes label maps for programs to read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from tqdm import tqdm

from sw_mmseg.analysis import overlay
from sw_mmseg.analysis.legend import with_legend
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import SUFFIXES, build_pipeline, find_images, meta_of, segment_pixels
from sw_mmseg.running.streets import use_streets

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


class Painter:
    """A network, its pipeline and its classes: pictures in, painted pictures out."""

    def __init__(self, args: argparse.Namespace, config: Config) -> None:
        self.model = load_network(MODELS, config, args)
        dataset = config.test_dataloader.dataset
        self.meta = build('data set', lambda: meta_of(dataset))
        self.pipeline = build('pipeline', lambda: build_pipeline(dataset.pipeline, from_file=False))
        self.opacity = args.opacity

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """H×W×3 BGR to H×(W + legend)×3 BGR."""
        labels = segment_pixels(self.model, self.pipeline, image)
        painted = overlay(image[..., ::-1], labels, self.meta['palette'], self.opacity)
        return with_legend(painted, labels, self.meta['classes'], self.meta['palette'])[..., ::-1]


def build_painter(args: argparse.Namespace) -> Callable[[np.ndarray], np.ndarray]:
    """What paints with the network of a config: of mmseg, or of mmdet."""
    config = load_config(args.config, args.cfg_options, args.work_dir)
    if args.streets:
        use_streets(config)
    if config.get('default_scope') == 'mmdet':
        from sw_mmseg.running.detection import DetectionPainter  # mmdet is not everybody's
        return DetectionPainter(args, config)
    return Painter(args, config)


def frames(video: cv2.VideoCapture, every: int) -> Iterator[np.ndarray]:
    """Every N-th frame, BGR."""
    index = 0
    while True:
        read, frame = video.read()
        if not read:
            return
        if index % every == 0:
            yield frame
        index += 1


def paint_video(paint: Callable[[np.ndarray], np.ndarray], source: Path, out: Path, every: int) -> int:
    """Writes `out` whole or not at all; returns the number of frames."""
    video = cv2.VideoCapture(str(source))
    rate, total = video.get(cv2.CAP_PROP_FPS) or 25.0, int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    part, writer, count = out.with_name(f'.part_{out.name}'), None, 0
    for frame in tqdm(frames(video, every), total=max(total, 0) // every or None, unit=' frames', disable=None):
        painted = paint(frame)
        painted = painted[:painted.shape[0] // 2 * 2, :painted.shape[1] // 2 * 2]  # codecs want even sides
        if writer is None:
            size = painted.shape[1], painted.shape[0]
            writer = cv2.VideoWriter(str(part), cv2.VideoWriter_fourcc(*'mp4v'), rate / every, size)
        writer.write(np.ascontiguousarray(painted))
        count += 1
    if writer is None:
        raise UserError(f'{source} cannot be read as a video')
    writer.release()
    part.replace(out)
    return count


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
