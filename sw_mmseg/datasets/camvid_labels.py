"""CamVid's classes: names, colours, and which of the 19 classes of Cityscapes and GTA5 each one stands for, once.

The 11-class form of the SegNet tutorial, whose files hold ids 0 to 10 and 11 for void. Grass counts as tree there, so
`terrain` does; walls are buildings, lights are signs, everything that drives on more than two wheels is a car.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .labels import CLASSES, IGNORE, UNKNOWN

__all__ = [
    'CAMVID_CLASSES',
    'CAMVID_PALETTE',
    'VOID',
    'camvid_to_cityscapes',
    'camvid_to_train',
    'cityscapes_to_camvid',
]

VOID = 11


class CamVidClass(NamedTuple):
    """One class: its name, its colour (RGB), and the classes of `labels.py` that are it."""

    name: str
    color: tuple[int, int, int]
    stands_for: tuple[str, ...]  # first the one that shows it among Cityscapes' classes


TABLE = (
    CamVidClass('sky', (128, 128, 128), ('sky',)),
    CamVidClass('building', (128, 0, 0), ('building', 'wall')),
    CamVidClass('pole', (192, 192, 128), ('pole',)),
    CamVidClass('road', (128, 64, 128), ('road',)),
    CamVidClass('sidewalk', (0, 0, 192), ('sidewalk',)),
    CamVidClass('tree', (128, 128, 0), ('vegetation', 'terrain')),
    CamVidClass('sign', (192, 128, 128), ('traffic sign', 'traffic light')),
    CamVidClass('fence', (64, 64, 128), ('fence',)),
    CamVidClass('car', (64, 0, 128), ('car', 'truck', 'bus', 'train')),
    CamVidClass('pedestrian', (64, 64, 0), ('person',)),
    CamVidClass('bicyclist', (0, 128, 192), ('rider', 'motorcycle', 'bicycle')),
)
CAMVID_CLASSES = tuple(entry.name for entry in TABLE)
CAMVID_PALETTE = [list(entry.color) for entry in TABLE]


def camvid_to_train() -> np.ndarray:
    """Look-up table (256,) uint8 from what CamVid's files hold to 0..10 and `IGNORE`; `UNKNOWN` for any other id."""
    table = np.full(256, UNKNOWN, np.uint8)
    table[:VOID] = np.arange(VOID)
    table[VOID] = IGNORE
    return table


def cityscapes_to_camvid() -> dict[int, int]:
    """CamVid's class of each of the 19 train ids, in their order; every one of them has one."""
    owner = {name: number for number, entry in enumerate(TABLE) for name in entry.stands_for}
    return {number: owner[name] for number, name in enumerate(CLASSES)}


def camvid_to_cityscapes() -> np.ndarray:
    """Look-up table (11,) uint8 to the train id that shows a class beside predictions of Cityscapes' 19; a `tree` is
    shown as vegetation, a `bicyclist` as a rider. For pictures, not for scores."""
    return np.array([CLASSES.index(entry.stands_for[0]) for entry in TABLE], np.uint8)
