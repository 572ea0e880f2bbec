"""Images, folders and videos painted with what a network predicts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mmengine.config import Config
from mmseg.registry import MODELS
from tqdm import tqdm

from sw_mmseg.analysis import overlay
from sw_mmseg.analysis.legend import with_legend
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import build_pipeline, build_reader, meta_of, segment_pixels
from sw_mmseg.running.ready_weights import asked_config
from sw_mmseg.running.streets import use_streets
from sw_mmseg.running.videos import refuse_cut_video

if TYPE_CHECKING:
    from sw_mmseg.running.detection import DetectionPainter

__all__ = ['build_painter', 'paint_video']


class Painter:
    """A network, its pipeline and its classes: pictures in, painted pictures out."""

    def __init__(self, args: argparse.Namespace, config: Config) -> None:
        self.model = load_network(MODELS, config, args)
        dataset = config.test_dataloader.dataset
        self.meta = build('data set', lambda: meta_of(dataset))
        self.pipeline, self.read = build(
            'pipeline', lambda: (build_pipeline(dataset.pipeline, from_file=False), build_reader(dataset.pipeline))
        )
        self.opacity = args.opacity

    def __call__(self, image: np.ndarray, file: Path | None = None) -> np.ndarray:
        """H×W×3 BGR to H×(W + legend)×3 BGR. UserError, which names `file`, where an image is too small."""
        labels = segment_pixels(self.model, self.pipeline, image, file)
        painted = overlay(image[..., ::-1], labels, self.meta['palette'], self.opacity)
        return with_legend(painted, labels, self.meta['classes'], self.meta['palette'])[..., ::-1]


def build_painter(args: argparse.Namespace) -> Painter | DetectionPainter:
    """What reads images, and paints with the network of a config: of mmseg, or of mmdet."""
    config = asked_config(args)
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
    """Writes `out`; returns the number of frames.

    Raises:
        UserError: the video cannot be read, or not be written whole.
    """
    video = cv2.VideoCapture(str(source))
    rate, total = video.get(cv2.CAP_PROP_FPS) or 25.0, int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    writer, count = None, 0
    for frame in tqdm(frames(video, every), total=max(total, 0) // every or None, unit=' frames', disable=None):
        painted = paint(frame)
        painted = painted[: painted.shape[0] // 2 * 2, : painted.shape[1] // 2 * 2]  # codecs want even sides
        if writer is None:
            size = painted.shape[1], painted.shape[0]
            writer = cv2.VideoWriter(str(out), cv2.VideoWriter_fourcc(*'mp4v'), rate / every, size)
        writer.write(np.ascontiguousarray(painted))
        count += 1
    if writer is None:
        raise UserError(f'{source} cannot be read as a video')
    writer.release()
    refuse_cut_video(out, count)
    return count
