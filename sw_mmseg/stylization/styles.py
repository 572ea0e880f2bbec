"""Style pictures: read from a file, or drawn here, so that style transfer needs no download.

Section 4.4 names two paintings, "candy" and "starry night"; ours are three ways of drawing, made of random numbers
alone. What a Gram matrix keeps of a picture is its colours and its small marks, so that is what they are made of.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .pictures import PictureError, read_picture

__all__ = ['STYLES', 'draw_style', 'read_style']

DRAWN = 'drawn://'
SCALE = 3  # drawn so many times larger, then averaged: smooth edges
NIGHT = ((18, 30, 82), (30, 62, 140), (52, 104, 178), (112, 162, 204), (236, 202, 92), (246, 232, 168), (12, 18, 48))
GLASS = ((196, 52, 44), (232, 142, 44), (244, 206, 92), (46, 122, 104), (34, 78, 138), (236, 226, 202), (118, 44, 92))
PAPER, INK = (244, 238, 224), (34, 32, 44)


def read_style(style: str, size: int | None = None) -> Tensor:
    """3×H×W in 0..1 of a path, or of `drawn://NAME` with NAME of `STYLES`; `size`: longest side at most.

    Raises:
        PictureError: no such file or drawing, or not a picture.
    """
    if str(style).startswith(DRAWN):
        name = str(style)[len(DRAWN) :]
        if name not in STYLES:
            raise PictureError(f'no style {style}; there are {", ".join(DRAWN + known for known in STYLES)}')
        return torch.from_numpy(draw_style(name, size or 256)).permute(2, 0, 1).float() / 255
    if not Path(style).is_file():
        raise PictureError(
            f'style picture {style} is missing: give any picture with model.style=PATH, or a drawing, '
            f'model.style={DRAWN}{next(iter(STYLES))} ({", ".join(STYLES)})'
        )
    return read_picture(style, size)


def draw_style(name: str, size: int = 256, seed: int = 0) -> np.ndarray:
    """RGB (size, size, 3) uint8; the same for the same seed. Raises KeyError for a name that is not in `STYLES`."""
    large = STYLES[name](np.random.default_rng(seed), size * SCALE)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def strokes(rng: np.random.Generator, side: int) -> np.ndarray:
    """Short bent brush strokes along a swirling field, blues and yellows."""
    picture = np.full((side, side, 3), NIGHT[0], np.uint8)
    angle, tone = 2.5 * np.pi * field(rng, side, 3), field(rng, side, 4)
    length, width = side / 16, side / 60
    for x, y in rng.uniform(0, side, (5000, 2)):
        place = np.array([x, y])
        path = [place]
        for _ in range(6):
            column, row = np.clip(place, 0, side - 1).astype(int)
            place = place + length / 6 * np.array([np.cos(angle[row, column]), np.sin(angle[row, column])])
            path.append(place)
        level = tone[int(y), int(x)] * 1.3 - 0.15 + rng.normal(0, 0.13)
        colour = np.array(NIGHT[int(np.clip(level, 0, 0.999) * len(NIGHT))]) + rng.normal(0, 9, 3)
        cv2.polylines(
            picture,
            [np.round(path).astype(np.int32)],
            False,
            shade(colour),
            max(1, round(width * rng.uniform(0.6, 1.3))),
            cv2.LINE_AA,
        )
    return picture


def mosaic(rng: np.random.Generator, side: int) -> np.ndarray:
    """Small stones of bright glass in dark joints."""
    count = 22
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1).reshape(-1, 2)
    centres = (grid + rng.uniform(0.15, 0.85, grid.shape)) * side / count
    nearest = np.full((side, side), np.inf, np.float32)
    second, owner = nearest.copy(), np.zeros((side, side), int)
    for index, (x, y) in enumerate(centres):  # a stone reaches no further than three cells
        rows, columns = (slice(max(0, int(v - 3 * side / count)), int(v + 3 * side / count)) for v in (y, x))
        down, across = np.ogrid[rows.start : min(rows.stop, side), columns.start : min(columns.stop, side)]
        distance, before = ((across - x) ** 2 + (down - y) ** 2).astype(np.float32), nearest[rows, columns]
        closer = distance < before
        second[rows, columns] = np.where(closer, before, np.minimum(second[rows, columns], distance))
        owner[rows, columns][closer] = index
        nearest[rows, columns] = np.where(closer, distance, before)
    tone = field(rng, side, 3)
    levels = np.array([tone[min(int(y), side - 1), min(int(x), side - 1)] for x, y in centres])
    order = np.clip(levels + rng.normal(0, 0.18, len(levels)), 0, 0.999)
    colours = np.array(GLASS)[(order * len(GLASS)).astype(int)] + rng.normal(0, 12, (len(centres), 3))
    picture = np.clip(colours, 0, 255).astype(np.uint8)[owner]
    picture[np.sqrt(second) - np.sqrt(nearest) < side / 160] = (38, 34, 40)
    return picture


def hatching(rng: np.random.Generator, side: int) -> np.ndarray:
    """Ink lines on paper, in one direction where it is light and up to three where it is dark."""
    picture = np.full((side, side, 3), PAPER, np.uint8)
    tone, step = field(rng, side, 4), side / 64
    for direction, threshold in ((0.7, 0.25), (-0.75, 0.5), (0.05, 0.72)):
        along = np.array([np.cos(direction), np.sin(direction)])
        across = np.array([-along[1], along[0]])
        for offset in np.arange(-side, 1.5 * side, step):
            start = across * (offset + rng.normal(0, step / 6)) - along * side
            for part in np.arange(0, 3 * side, side / 24):
                begin = start + along * part + rng.normal(0, step / 8, 2)
                end = begin + along * side / 24
                column, row = np.round((begin + end) / 2).astype(int)
                if 0 <= column < side and 0 <= row < side and tone[row, column] > threshold:
                    cv2.line(
                        picture,
                        tuple(map(int, begin)),
                        tuple(map(int, end)),
                        shade(np.array(INK)),
                        max(1, round(side / 300)),
                        cv2.LINE_AA,
                    )
    return picture


def field(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth noise in 0..1, (side, side), with about `cells` hills a side."""
    noise = rng.uniform(0, 1, (cells + 1, cells + 1)).astype(np.float32)
    smooth = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def shade(colour: np.ndarray) -> tuple[int, int, int]:
    """As OpenCV wants a colour."""
    return tuple(int(value) for value in np.clip(colour, 0, 255))


STYLES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    'strokes': strokes,
    'mosaic': mosaic,
    'hatching': hatching,
}
