"""Class tables of data sets that many have, by name: `--classes cityscapes`.

The 19 classes of Cityscapes under their names, whatever numbers a data set gives them, so that sources unite. SYNTHIA's
numbers are those of the readme of SYNTHIA-RAND-CITYSCAPES.
"""

from __future__ import annotations

from pathlib import Path

from .camvid_labels import CAMVID_CLASSES, CAMVID_PALETTE, VOID
from .class_parsing import parse_class_table
from .class_table import ClassTable
from .class_yaml import read_class_table
from .errors import DatasetError
from .labels import CLASSES, IGNORE, LABELS, LICENSE_PLATE, PALETTE

__all__ = ['KNOWN', 'find_class_table', 'known_table']

SYNTHIA = {
    'sky': 1,
    'building': 2,
    'road': 3,
    'sidewalk': 4,
    'fence': 5,
    'vegetation': 6,
    'pole': 7,
    'car': 8,
    'traffic sign': 9,
    'person': 10,
    'bicycle': 11,
    'motorcycle': 12,
    'traffic light': 15,
    'terrain': 16,
    'rider': 17,
    'truck': 18,
    'bus': 19,
    'train': 20,
    'wall': 21,
}
SYNTHIA_VOID = (0, 13, 14, 22)  # nothing, parking slots, road works, lane markings
RAW = {label.name: label.id for label in LABELS if label.train_id != IGNORE}
RAW_VOID = tuple(label.id for label in LABELS if label.train_id == IGNORE and 0 <= label.id <= 33)
# name -> what the files hold for each class, and ids that are none; classes and colours are those of Cityscapes
_STREETS = {
    'cityscapes': (RAW, RAW_VOID),
    'cityscapes-train': ({name: number for number, name in enumerate(CLASSES)}, ()),
    'gta5': (RAW, (*RAW_VOID, LICENSE_PLATE)),
    'synthia': (SYNTHIA, SYNTHIA_VOID),
}
KNOWN = (*_STREETS, 'camvid')


def known_table(name: str) -> ClassTable:
    """The table of one of `KNOWN`. Files of 'cityscapes' and 'gta5' hold raw ids, or colours; of 'camvid' the 11 ids of
    the SegNet tutorial."""
    if name == 'camvid':
        ids: dict[str, int] = {label: number for number, label in enumerate(CAMVID_CLASSES)}
        names, palette, void = CAMVID_CLASSES, CAMVID_PALETTE, (VOID,)
    else:
        ids, void = _STREETS[name]
        names, palette = CLASSES, PALETTE
    rows = [{'name': label, 'ids': [ids[label]], 'color': list(color)} for label, color in zip(names, palette)]
    black = [] if name == 'camvid' else [[0, 0, 0]]  # of files that hold colours
    return parse_class_table({'classes': rows, 'ignore': [*dict.fromkeys(void), *black]}, name)


def find_class_table(word: str) -> ClassTable:
    """A YAML file, or one of `KNOWN`; a file of that name goes before. Raises `DatasetError` where there is neither."""
    if Path(word).exists():
        return read_class_table(word)
    if word in KNOWN:
        return known_table(word)
    if Path(word).suffix or '/' in word:
        return read_class_table(word)  # which says that there is no such file
    raise DatasetError(f'no class table {word}: give a YAML file, or one of {", ".join(KNOWN)}')
