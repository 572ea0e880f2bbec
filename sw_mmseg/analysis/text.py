"""Texts in pictures, in a font that has the letters of more languages than OpenCV's, which draws '??' for an umlaut."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ['draw_texts', 'text_width']

Place = tuple[int, int, str, tuple[int, int, int]]  # left end and base line, pixels; a text, and its colour


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')), size)


def text_width(text: str, size: int) -> int:
    """Pixels from its left end to its right end; letters are about `size` pixels high."""
    return int(np.ceil(_font(size).getlength(text)))


def draw_texts(picture: np.ndarray, texts: Iterable[Place], size: int) -> None:
    """Draws into H×W×3 uint8, in place; what reaches beyond it is cut."""
    page = Image.fromarray(picture)
    pen = ImageDraw.Draw(page)
    for left, base, text, ink in texts:
        pen.text((left, base), text, fill=ink, font=_font(size), anchor='ls')
    picture[:] = np.asarray(page)
