"""Files that a visitor drops: refused by their size before they are decoded, then read by the data sets' own reader."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.file_head import read_head
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import fitted
from sw_mmseg.running.style_files import VIDEOS

__all__ = ['MOST_BYTES', 'MOST_PIXELS', 'SIDE', 'read_upload']

MOST_BYTES = 20_000_000
MOST_PIXELS = 20_000_000
MOST_FRAMES = 1800  # a minute at 30 frames a second
SIDE = 512  # pixels of the longer side at which the page computes


def read_upload(path: str | Path | None, moment: float = 0.0) -> np.ndarray:
    """An image, or one frame of a video, H×W×3 uint8 RGB, its longer side at most `SIDE`.

    Args:
        path: what was dropped; None: nothing yet.
        moment: of a video, from 0, its first frame, to 1, its last.

    Raises:
        UserError: nothing was dropped, or it is neither an image nor a video, damaged, or too large.
    """
    if path is None:
        raise UserError('Drop an image or a short video first.')
    file = Path(path)
    if (size := file.stat().st_size) > MOST_BYTES:
        raise UserError(f'{file.name} has {size / 1e6:.0f} MB; this page takes up to {MOST_BYTES / 1e6:.0f} MB.')
    if file.suffix.lower() in VIDEOS:
        return fitted(_frame(file, moment), SIDE)
    try:
        head = read_head(str(file))
        _refuse_large(file, head.width, head.height)
        return fitted(read_image(str(file)).pixels[..., ::-1], SIDE)
    except DatasetError as error:
        text = str(error).replace(str(file), file.name)
        raise UserError(f'{file.name} is neither an image nor a video that this page can read: {text}') from error


def _refuse_large(file: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UserError(
            f'{file.name} is {width}x{height}, {width * height / 1e6:.0f} million pixels; this page takes up to '
            f'{MOST_PIXELS / 1e6:.0f} million.'
        )


def _frame(file: Path, moment: float) -> np.ndarray:
    video = cv2.VideoCapture(str(file))
    try:
        if not video.isOpened():
            raise UserError(f'{file.name} cannot be read as a video.')
        width, height = (int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        _refuse_large(file, width, height)
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        if count > MOST_FRAMES:
            raise UserError(f'{file.name} has {count} frames; this page takes up to {MOST_FRAMES}: cut it shorter.')
        video.set(cv2.CAP_PROP_POS_FRAMES, round(min(max(moment, 0.0), 1.0) * max(count - 1, 0)))
        good, frame = video.read()
        if not good:
            raise UserError(f'{file.name} cannot be read as a video.')
        return frame[..., ::-1]
    finally:
        video.release()
