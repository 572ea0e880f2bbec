"""Class tables by name, against label files as those data sets have them."""

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import CAMVID_CLASSES, CLASSES, DatasetError, parse_class_table
from sw_mmseg.datasets.camvid_labels import camvid_to_train
from sw_mmseg.datasets.known_tables import KNOWN, find_class_table, known_table
from sw_mmseg.datasets.labels import raw_to_train
from sw_mmseg.own_images.sources import unite


def read(name, values, tmp_path):
    path = tmp_path / 'labels.png'
    Image.fromarray(values).save(path)
    return known_table(name).read(str(path))


@pytest.mark.parametrize('name, last', [('cityscapes', 33), ('gta5', 34)])
def test_raw_ids_are_those_of_the_data_sets(name, last, tmp_path):
    values = np.arange(last + 1, dtype=np.uint8).reshape(1, -1)
    np.testing.assert_array_equal(read(name, values, tmp_path)[0], raw_to_train()[: last + 1])


def test_colours_train_ids_and_camvid(tmp_path):
    colours = np.array([[[128, 64, 128], [0, 0, 142], [0, 0, 0]]], np.uint8)  # road, car, nothing
    table = known_table('cityscapes').by_colors()
    Image.fromarray(colours).save(tmp_path / 'colours.png')
    assert table.read(str(tmp_path / 'colours.png')).tolist() == [[0, 13, 255]]
    values = np.array([[*range(19), 255]], np.uint8)
    np.testing.assert_array_equal(read('cityscapes-train', values, tmp_path), values)
    values = np.arange(12, dtype=np.uint8)[None]
    np.testing.assert_array_equal(read('camvid', values, tmp_path)[0], camvid_to_train()[:12])
    assert known_table('camvid').names == CAMVID_CLASSES


def test_synthia_by_the_mapping_that_its_users_share(tmp_path):
    """Ids of SYNTHIA-RAND-CITYSCAPES to train ids of Cityscapes, 255 for what is none."""
    shared = [255, 10, 2, 0, 1, 4, 8, 5, 13, 7, 11, 18, 17, 255, 255, 6, 9, 12, 14, 15, 16, 3, 255]
    assert read('synthia', np.arange(23, dtype=np.uint8)[None], tmp_path)[0].tolist() == shared


OLD_CARLA = (
    'unlabeled building fence other person pole road road sidewalk vegetation car wall sign sky ground bridge '
    'rail_track guard_rail light static dynamic water terrain'
)  # CityScapesPalette.h before 0.9.14, and SHIFT's table; road lines and roads are road, vehicles cars
TAGS = {
    'carla': 'unlabeled road sidewalk building wall fence pole light sign vegetation terrain sky person rider car '
    'truck bus train motorcycle bicycle static dynamic other water road ground bridge rail_track guard_rail',
    'carla-old': OLD_CARLA,
    'shift': OLD_CARLA,
    'viper': 'unlabeled ambiguous sky road sidewalk rail_track terrain vegetation vegetation building infrastructure '
    'fence billboard light sign mobile_barrier fire_hydrant chair trash trash_can person animal bicycle motorcycle car '
    'car bus truck trailer train plane boat',
    'urbansyn': 'road sidewalk building wall fence pole light sign vegetation terrain sky person rider car truck bus '
    'train motorcycle bicycle unlabeled',
}  # in the order of their ids, as the sources in docs/formats.md have them


@pytest.mark.parametrize('name', TAGS)
def test_ids_are_those_of_the_sources(name, tmp_path):
    short = [label.removeprefix('traffic ') for label in CLASSES]
    tags = TAGS[name].split()
    values = read(name, np.arange(len(tags), dtype=np.uint8)[None], tmp_path)[0]
    names = [short.index(tag) if tag in short else 255 for tag in tags]
    classes = known_table(name).names
    assert [CLASSES.index(classes[value]) if value != 255 else 255 for value in values] == names


def test_all_are_tables_of_configs_and_unite_by_name():
    for name in KNOWN:
        table = known_table(name)
        assert parse_class_table(table.to_dict()) == table
    assert {table.names for table in unite([known_table('gta5'), known_table('synthia')])} == {CLASSES}


def test_a_file_goes_before_a_name_and_other_words_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_class_table('gta5').names == CLASSES
    (tmp_path / 'gta5').write_text('classes:\n  one: 1\n  two: 2\n')
    assert find_class_table('gta5').names == ('one', 'two')
    with pytest.raises(DatasetError, match=r'no class table carlo: .*synthia'):
        find_class_table('carlo')
    with pytest.raises(DatasetError, match=r'missing\.yaml'):
        find_class_table('missing.yaml')
