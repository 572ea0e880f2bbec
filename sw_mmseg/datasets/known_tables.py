"""Class tables of data sets that many have, by name: `--classes cityscapes`.

The 19 classes of Cityscapes under their names, whatever numbers a data set gives them, so that sources unite. A table
has those of the 19 classes that its data set has. docs/formats.md says what each was checked against.
"""

from __future__ import annotations

from collections.abc import Mapping
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
CARLA = {name: [number] for number, name in enumerate(CLASSES, 1)}
CARLA['road'].append(24)  # lines on it
CARLA_VOID = (0, 20, 21, 22, 23, 25, 26, 27, 28)
CARLA_OLD = {
    'building': 1,
    'fence': 2,
    'person': 4,
    'pole': 5,
    'road': [6, 7],  # lines on it, and itself
    'sidewalk': 8,
    'vegetation': 9,
    'car': 10,  # every vehicle
    'wall': 11,
    'traffic sign': 12,
    'sky': 13,
    'traffic light': 18,
    'terrain': 22,
}
CARLA_OLD_VOID = (0, 3, 14, 15, 16, 17, 19, 20, 21)
VIPER = {
    'sky': 2,
    'road': 3,
    'sidewalk': 4,
    'terrain': 6,
    'vegetation': [7, 8],
    'building': 9,
    'fence': 11,
    'traffic light': 13,
    'traffic sign': 14,
    'person': 20,
    'bicycle': 22,
    'motorcycle': 23,
    'car': [24, 25],
    'bus': 26,
    'truck': 27,
    'train': 29,
}
VIPER_VOID = (0, 1, 5, 10, 12, 15, 16, 17, 18, 19, 21, 28, 30, 31)
VKITTI = {
    'road': [[100, 60, 100]],
    'building': [[140, 140, 140]],
    'pole': [[255, 130, 0]],
    'traffic light': [[200, 200, 0]],
    'traffic sign': [[255, 255, 0]],
    'vegetation': [[0, 199, 0], [90, 240, 0]],
    'terrain': [[210, 0, 200]],
    'sky': [[90, 200, 255]],
    'car': [[255, 127, 80], [0, 139, 139]],  # vans too
    'truck': [[160, 60, 60]],
}
VKITTI_VOID = ([250, 100, 255], [80, 80, 80], [0, 0, 0])  # guard rails, the rest, nothing
RAW = {label.name: label.id for label in LABELS if label.train_id != IGNORE}
RAW_VOID = tuple(label.id for label in LABELS if label.train_id == IGNORE and 0 <= label.id <= 33)
# name -> what the files hold for each class, and ids that are none; classes and colours are those of Cityscapes
_STREETS: dict[str, tuple[Mapping[str, int | list[int]], tuple[int, ...]]] = {
    'cityscapes': (RAW, RAW_VOID),
    'cityscapes-train': ({name: number for number, name in enumerate(CLASSES)}, ()),
    'gta5': (RAW, (*RAW_VOID, LICENSE_PLATE)),
    'synthia': (SYNTHIA, SYNTHIA_VOID),
    'carla': (CARLA, CARLA_VOID),
    'carla-old': (CARLA_OLD, CARLA_OLD_VOID),
    'shift': (CARLA_OLD, CARLA_OLD_VOID),
    'urbansyn': ({name: number for number, name in enumerate(CLASSES)}, (19,)),
    'viper': (VIPER, VIPER_VOID),
}
KNOWN = (*_STREETS, 'vkitti2', 'camvid')


def known_table(name: str) -> ClassTable:
    """The table of one of `KNOWN`. Files of 'cityscapes' and 'gta5' hold raw ids, or colours; of 'camvid' the 11 ids of
    the SegNet tutorial."""
    if name == 'vkitti2':
        colours = [{'name': label, 'color': values} for label, values in VKITTI.items()]
        return parse_class_table({'classes': colours, 'ignore': list(VKITTI_VOID)}, name)
    if name == 'camvid':
        ids: Mapping[str, int | list[int]] = {label: number for number, label in enumerate(CAMVID_CLASSES)}
        names, palette, void = CAMVID_CLASSES, CAMVID_PALETTE, (VOID,)
    else:
        ids, void = _STREETS[name]
        names, palette = CLASSES, PALETTE
    rows = [
        {'name': label, 'ids': ids[label], 'color': list(color)} for label, color in zip(names, palette) if label in ids
    ]
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
