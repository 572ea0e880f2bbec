"""Which way up labels lie whose images are turned by EXIF: as the image is shown, or as its file holds it.

Programs differ, and a label file rarely says. Where the turn swaps height and width, sizes tell. Where it does not, the
edges in the image tell: they lie on the labels' borders in one frame, and anywhere in the other.
"""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np

from .errors import DatasetError
from .raster_file import turned

__all__ = ['FRAMES', 'LabelFrames', 'edges_on_borders']

CLEARER = 1.25  # how much more edge must lie on the borders in one frame than in the other
FRAMES = ('shown', 'stored')


class LabelFrames:
    """Adds up what single pairs of image and labels tell."""

    def __init__(self) -> None:
        self.sizes: Counter[str] = Counter()  # frame -> pairs whose sizes fit it alone
        self.edges = np.zeros(2)  # edge on borders, in the frame shown and as stored
        self.uncertain: list[str] = []  # images for which sizes tell nothing

    def add_size(self, frame: str) -> None:
        """A pair that fits one frame alone."""
        self.sizes[frame] += 1

    def add_pair(self, path: str, edges: tuple[float, float] | None) -> None:
        """A pair that fits both; `edges` are those on the labels' borders in both frames, where pixels were read."""
        self.uncertain.append(path)
        if edges is not None:
            self.edges += edges

    def decide(self) -> tuple[str | None, list[str]]:
        """The frame, None where nothing was turned or sizes tell it of each pair, and what there is to say.

        Raises:
            DatasetError: nothing tells.
        """
        if not self.uncertain:
            one = next(iter(self.sizes)) if len(self.sizes) == 1 else None
            return one, [
                f'{sum(self.sizes.values())} images are turned by EXIF; their labels lie as the images are '
                f'{one}, by their sizes'
            ] if one else []
        if len(self.sizes) == 1:
            frame, evidence = next(iter(self.sizes)), 'by the sizes of others'
        elif self.edges.max() > CLEARER * self.edges.min():
            frame, evidence = FRAMES[int(self.edges.argmax())], "by the images' edges"
        else:
            raise DatasetError(
                f'{len(self.uncertain)} images are turned by EXIF, such as {self.uncertain[0]}, and their label files '
                'are not; which of both frames the labels are in cannot be known. If they were drawn on the image as '
                'it is shown, write the images anew: magick mogrify -auto-orient FILES. If on the image as the file '
                'holds it, remove the mark: exiftool -Orientation= FILES'
            )
        return frame, [
            f'{len(self.uncertain)} images are turned by EXIF; their labels lie as the images are {frame}, {evidence}'
        ]


def edges_on_borders(image: np.ndarray, labels: np.ndarray, orientation: int) -> tuple[float, float]:
    """How much of an image's edges lies on the borders of its labels, relative to all of its pixels.

    Args:
        image: (H, W, 3) uint8 as shown.
        labels: (H, W) or (H, W, 3) as their file holds them.
        orientation: of the image.

    Returns:
        With labels as they are, and turned as the image was.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    ratios = []
    for candidate in (labels, turned(labels, orientation)):
        border = np.zeros(grey.shape, bool)
        flat = candidate.reshape(*candidate.shape[:2], -1)
        border[1:] |= (flat[1:] != flat[:-1]).any(-1)
        border[:, 1:] |= (flat[:, 1:] != flat[:, :-1]).any(-1)
        ratios.append(float(edges[border].mean() / max(edges.mean(), 1e-6)) if border.any() else 0.0)
    return ratios[0], ratios[1]
