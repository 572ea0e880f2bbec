"""What OpenCV leaves unsaid about videos: that one could not be written whole."""

from __future__ import annotations

from pathlib import Path

import cv2

from sw_mmseg.running.errors import UnwritableError

__all__ = ['refuse_cut_video']


def refuse_cut_video(file: Path, count: int) -> None:
    """After a video was written: the file has its frames. On a full disk OpenCV goes on as if they were there.

    Args:
        file: of the video.
        count: frames that were written.

    Raises:
        UnwritableError: it cannot be opened, or has fewer.
    """
    video, kept = cv2.VideoCapture(str(file)), 0
    try:
        while kept < count and video.read()[0]:  # a head says how many there are meant to be
            kept += 1
    finally:
        video.release()
    if kept < count:
        raise UnwritableError(f'the video cannot be written whole ({kept} of {count} frames): is the disk full?')
