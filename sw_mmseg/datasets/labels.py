"""The label table that Cityscapes and GTA5 share: names, raw ids, train ids and colours, once.

Raw ids 0..33 mean the same in both data sets. Cityscapes calls the licence plate -1 and never paints it; GTA5 paints it
as palette index 34. Neither is trained on. Training and scoring use 19 of the classes, numbered by `train_id`; every
other pixel is `IGNORE`. ADE20K's files are numbered otherwise, see `ade20k_to_train`; its names are mmseg's.
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    'CATEGORIES',
    'CLASSES',
    'ID',
    'IGNORE',
    'LABELS',
    'LICENSE_PLATE',
    'NUM_ADE20K_CLASSES',
    'NUM_CLASSES',
    'PALETTE',
    'UNKNOWN',
    'Label',
    'ade20k_to_train',
    'color_table',
    'raw_to_train',
    'train_to_train',
]

IGNORE = 255
LICENSE_PLATE = 34  # as GTA5 stores it; Cityscapes' own number is -1, which an 8-bit file cannot hold


class Label(NamedTuple):
    """One row of the table: `train_id` is `IGNORE` for a class that is not scored; `color` is RGB."""

    id: int
    name: str
    train_id: int
    has_instances: bool
    color: tuple[int, int, int]


LABELS = (
    Label(0, 'unlabeled', IGNORE, False, (0, 0, 0)),
    Label(1, 'ego vehicle', IGNORE, False, (0, 0, 0)),
    Label(2, 'rectification border', IGNORE, False, (0, 0, 0)),
    Label(3, 'out of roi', IGNORE, False, (0, 0, 0)),
    Label(4, 'static', IGNORE, False, (0, 0, 0)),
    Label(5, 'dynamic', IGNORE, False, (111, 74, 0)),
    Label(6, 'ground', IGNORE, False, (81, 0, 81)),
    Label(7, 'road', 0, False, (128, 64, 128)),
    Label(8, 'sidewalk', 1, False, (244, 35, 232)),
    Label(9, 'parking', IGNORE, False, (250, 170, 160)),
    Label(10, 'rail track', IGNORE, False, (230, 150, 140)),
    Label(11, 'building', 2, False, (70, 70, 70)),
    Label(12, 'wall', 3, False, (102, 102, 156)),
    Label(13, 'fence', 4, False, (190, 153, 153)),
    Label(14, 'guard rail', IGNORE, False, (180, 165, 180)),
    Label(15, 'bridge', IGNORE, False, (150, 100, 100)),
    Label(16, 'tunnel', IGNORE, False, (150, 120, 90)),
    Label(17, 'pole', 5, False, (153, 153, 153)),
    Label(18, 'polegroup', IGNORE, False, (153, 153, 153)),
    Label(19, 'traffic light', 6, False, (250, 170, 30)),
    Label(20, 'traffic sign', 7, False, (220, 220, 0)),
    Label(21, 'vegetation', 8, False, (107, 142, 35)),
    Label(22, 'terrain', 9, False, (152, 251, 152)),
    Label(23, 'sky', 10, False, (70, 130, 180)),
    Label(24, 'person', 11, True, (220, 20, 60)),
    Label(25, 'rider', 12, True, (255, 0, 0)),
    Label(26, 'car', 13, True, (0, 0, 142)),
    Label(27, 'truck', 14, True, (0, 0, 70)),
    Label(28, 'bus', 15, True, (0, 60, 100)),
    Label(29, 'caravan', IGNORE, True, (0, 0, 90)),
    Label(30, 'trailer', IGNORE, True, (0, 0, 110)),
    Label(31, 'train', 16, True, (0, 80, 100)),
    Label(32, 'motorcycle', 17, True, (0, 0, 230)),
    Label(33, 'bicycle', 18, True, (119, 11, 32)),
    Label(LICENSE_PLATE, 'license plate', IGNORE, False, (0, 0, 142)),
)

ID = {label.name: label.id for label in LABELS}
_TRAINED = sorted((label for label in LABELS if label.train_id != IGNORE), key=lambda label: label.train_id)
CLASSES = tuple(label.name for label in _TRAINED)
PALETTE = [list(label.color) for label in _TRAINED]
NUM_CLASSES = len(CLASSES)
NUM_ADE20K_CLASSES = 150  # whose names are mmseg's
UNKNOWN = 254  # a look-up table's mark for a value that no label has; never a train id and never IGNORE

# Cityscapes' seven categories: name -> classes, those of the 19 that are scored.
CATEGORIES = {
    'flat': ('road', 'sidewalk'),
    'construction': ('building', 'wall', 'fence'),
    'object': ('pole', 'traffic light', 'traffic sign'),
    'nature': ('vegetation', 'terrain'),
    'sky': ('sky',),
    'human': ('person', 'rider'),
    'vehicle': ('car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'),
}


def raw_to_train() -> np.ndarray:
    """Look-up table (256,) uint8 from a raw id to its train id, `IGNORE`, or `UNKNOWN` where no label has that id."""
    table = np.full(256, UNKNOWN, np.uint8)
    for label in LABELS:
        table[label.id] = label.train_id
    return table


def train_to_train() -> np.ndarray:
    """Look-up table (256,) uint8 for files that hold train ids already: identity on the classes and `IGNORE`."""
    table = np.full(256, UNKNOWN, np.uint8)
    table[:NUM_CLASSES] = np.arange(NUM_CLASSES)
    table[IGNORE] = IGNORE
    return table


def ade20k_to_train() -> np.ndarray:
    """Look-up table (256,) uint8 from what ADE20K's files hold, 0 for other and 1 to 150, to 0..149 and `IGNORE`."""
    table = np.full(256, UNKNOWN, np.uint8)
    table[0] = IGNORE
    table[1 : NUM_ADE20K_CLASSES + 1] = np.arange(NUM_ADE20K_CLASSES)
    return table


def color_table() -> np.ndarray:
    """Colours (256, 3) uint8 of the raw ids, for paletted label files: black where no label has that id."""
    table = np.zeros((256, 3), np.uint8)
    for label in LABELS:
        table[label.id] = label.color
    return table
