"""A legend beside a picture of predictions: colour, name and share of each class that occurs. It is drawn fast enough
for videos."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sw_mmseg.analysis.predictions import Palette
from sw_mmseg.analysis.text import draw_texts, shown_names, text_width

__all__ = ['with_legend']

SIZE, LINE, SWATCH = 11, 16, 12
PAGE, INK = (255, 255, 255), (29, 36, 48)


def with_legend(picture: np.ndarray, labels: np.ndarray, classes: Sequence[str], palette: Palette) -> np.ndarray:
    """The picture with a panel at its right.

    The panel's width depends on the classes' names and the picture's height alone, so frames of a video stay one size.

    Args:
        picture: H×W×3 uint8 RGB.
        labels: ids whose shares are named, of any shape; ids without a class (255) are left out.
        classes, palette: C names and C RGB colours.

    Returns:
        H×(W + panel)×3 uint8 RGB. Where the height does not take all classes, the largest are shown, and how many
        more there are.
    """
    names = shown_names(classes)
    counts = np.bincount(labels.ravel(), minlength=256)[: len(classes)]
    rows = max(1, (picture.shape[0] - 4) // LINE)
    texts = {
        int(i): f'{names[i]} {100 * counts[i] / max(labels.size, 1):.0f}%' for i in np.argsort(-counts) if counts[i]
    }
    shown = sorted(list(texts)[: rows if len(texts) <= rows else rows - 1])  # the largest, in the classes' order
    lines = {texts[index]: tuple(map(int, palette[index])) for index in shown}
    if len(shown) < len(texts):
        lines[f'+ {len(texts) - len(shown)} more'] = PAGE
    width = max(text_width(f'{name} 100%', SIZE) for name in names) + SWATCH + 16
    panel = np.full((picture.shape[0], width, 3), PAGE, np.uint8)
    for row, shade in enumerate(lines.values()):
        top = 4 + row * LINE
        cv2.rectangle(panel, (6, top), (6 + SWATCH, top + SWATCH - 2), shade, -1)
    draw_texts(panel, ((12 + SWATCH, 1 + row * LINE + SWATCH, text, INK) for row, text in enumerate(lines)), SIZE)
    return np.concatenate([picture, panel], axis=1)
