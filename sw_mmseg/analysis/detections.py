"""Detections over an image: masks in their class's colour, outlines, boxes, names with scores."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sw_mmseg.analysis.predictions import Palette
from sw_mmseg.analysis.text import draw_texts, shown_names, text_width

__all__ = ['draw_detections']

SIZE, HEIGHT = 10, 8  # of letters, and of capitals, pixels
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float],
    classes: Sequence[str],
    palette: Palette,
    masks: np.ndarray | None = None,
    opacity: float = 0.45,
) -> np.ndarray:
    """A copy of `image` with what was found drawn over it, the surest last and so on top.

    Args:
        image: H×W×3 uint8 RGB.
        boxes: (N, 4), x1 y1 x2 y2 in pixels; may reach beyond the image.
        labels, scores: N class indices and N scores of 0 to 1.
        classes, palette: C names and C RGB colours.
        masks: (N, H, W) bool, or None for boxes alone.
        opacity: of the masks, 0 to 1.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f'opacity must be in [0, 1], not {opacity}')
    if masks is not None and masks.shape[1:] != image.shape[:2]:
        raise ValueError(f'image is {image.shape[:2]}, masks are {masks.shape[1:]}')
    picture, order, names = image.copy(), np.argsort(scores, kind='stable'), shown_names(classes)
    for index in order if masks is not None else ():
        colour = np.array(palette[labels[index]], float)
        picture[masks[index]] = np.rint(picture[masks[index]] * (1 - opacity) + colour * opacity)
        outlines = cv2.findContours(masks[index].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        cv2.drawContours(picture, outlines, -1, _shade(palette, labels[index]), 1)
    for index in order:
        shade = _shade(palette, labels[index])
        left, top, right, bottom = (round(float(side)) for side in boxes[index])
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), shade, 1)
        _name(picture, f'{names[labels[index]]} {scores[index]:.2f}', left, top, shade)
    return picture


def _shade(palette: Palette, label: int) -> tuple[int, ...]:
    return tuple(int(channel) for channel in palette[label])


def _name(picture: np.ndarray, text: str, left: int, top: int, shade: tuple[int, ...]) -> None:
    """A name on a ground of the class's colour, above the box, or inside it where the image ends."""
    width = text_width(text, SIZE)
    left = min(max(left, 0), max(picture.shape[1] - width - 2, 0))
    top = top if top >= HEIGHT + 4 else top + HEIGHT + 4
    ink = BLACK if sum(shade) > 380 else WHITE
    cv2.rectangle(picture, (left, top - HEIGHT - 4), (left + width + 2, top), shade, -1)
    draw_texts(picture, [(left + 1, top - 3, text, ink)], SIZE)
