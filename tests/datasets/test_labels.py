"""The label table against what is published elsewhere: mmseg's own Cityscapes class, and ids written by hand."""

import numpy as np
from mmseg.datasets import CityscapesDataset

from sw_mmseg.datasets import labels

RAW_TO_TRAIN = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
    32: 17,
    33: 18,
}


def test_classes_and_colours_are_cityscapes():
    assert labels.CLASSES == tuple(CityscapesDataset.METAINFO['classes'])
    assert labels.PALETTE == CityscapesDataset.METAINFO['palette']


def test_ids_run_from_0_to_34():
    assert [label.id for label in labels.LABELS] == list(range(35))
    assert len({label.name for label in labels.LABELS}) == 35


def test_raw_ids_map_as_published():
    table = labels.raw_to_train()
    for raw in range(256):
        expected = RAW_TO_TRAIN.get(raw, labels.IGNORE) if raw <= 34 else labels.UNKNOWN
        assert table[raw] == expected, raw


def test_train_ids_map_to_themselves():
    table = labels.train_to_train()
    assert table[:19].tolist() == list(range(19)) and table[255] == 255
    assert (table[19:255] == labels.UNKNOWN).all()


def test_instances_are_people_and_vehicles():
    assert [label.id for label in labels.LABELS if label.has_instances] == list(range(24, 34))


def test_colour_table_holds_the_raw_ids():
    assert labels.color_table()[26].tolist() == [0, 0, 142]
    assert not np.any(labels.color_table()[35:])
