"""Labels as simulators write them, through the check of tools/adapt.py: small files in exactly their layouts."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import CLASSES, DatasetError
from sw_mmseg.datasets.known_tables import known_table
from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.sources import mapped
from sw_mmseg.running.errors import UserError
from tests.helpers.strange_folders import SHARES, classes, look, notes, photograph, read_by_training, scene, shares

COLOURS = np.array([[0, 0, 0], [140, 25, 255], [25, 255, 140], [255, 140, 25]], np.uint8)
WORDS = ('BACKGROUND', 'car', 'tree', 'UNLABELLED')


def named(ignored, **shares_of):
    """What `shares` gives: percent of the labelled pixels, and of all those that are ignored."""
    rows = {name: pytest.approx(100 * value / (100 - ignored)) for name, value in shares_of.items()}
    return {**rows, '(ignored)': pytest.approx(ignored)}


@pytest.mark.parametrize('band', ['red', 'blue'])
def test_carla_has_its_ids_in_one_band_of_four(folders, band):
    def write(ids, path, n):
        order = [ids * 0, ids * 0, ids] if band == 'red' else [ids, ids * 0, ids * 0]
        cv2.imwrite(f'{path}.png', np.dstack([*order, ids * 0 + 255]))  # BGRA

    root = folders(write)
    checked = look(root)
    assert shares(checked) == classes(SHARES) and f'class ids are taken from the {band} band' in notes(checked)
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene())
    streets = shares(look(root, classes='carla'))
    assert streets == {
        **dict.fromkeys(CLASSES, 0.0),
        **named(SHARES[0], road=SHARES[1], sidewalk=SHARES[2], building=SHARES[3]),
    }


def test_dark_red_of_a_palette_is_a_colour(folders):
    table = np.array([[0, 0, 0], [64, 0, 0], [128, 0, 0], [192, 0, 0]], np.uint8)  # of Pascal VOC
    root = folders(lambda ids, path, n: Image.fromarray(table[ids]).save(f'{path}.png'))
    with pytest.raises(UserError, match='the source labels are colour pictures'):
        look(root)


def replicator(root, frames=4, swap=False):
    """One folder, as BasicWriter fills it."""
    for n in range(frames):
        Image.fromarray(photograph(n)).save(root / f'rgb_{n:04d}.png')
        alpha = np.where(scene() == 0, 0, 255).astype(np.uint8)
        Image.fromarray(np.dstack([COLOURS[scene()], alpha])).save(root / f'semantic_segmentation_{n:04d}.png')
        words = WORDS[:1] + WORDS[2:0:-1] + WORDS[3:] if swap and n else WORDS
        table = {str((*map(int, colour), 255 if k else 0)): {'class': words[k]} for k, colour in enumerate(COLOURS)}
        (root / f'semantic_segmentation_labels_{n:04d}.json').write_text(json.dumps(table))
    return root


def test_replicator_in_one_folder_with_a_table_a_frame(folders):
    root = folders(lambda ids, path, n: None)
    (root / 'all').mkdir()
    replicator(root / 'all')
    checked = look(root, ('all', 'all'))
    assert shares(checked) == named(SHARES[3], BACKGROUND=SHARES[0], car=SHARES[1], tree=SHARES[2])
    assert 'semantic_segmentation_labels_0000.json and 3 more such files' in notes(checked)
    expected = np.where(scene() == 3, 255, scene())
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], expected)


def test_frames_that_contradict_each_other(folders):
    root = folders(lambda ids, path, n: None)
    (root / 'all').mkdir()
    replicator(root / 'all', swap=True)
    with pytest.raises(DatasetError, match=r'is car in .*_0000.json and tree in .*dealt anew in every frame'):
        look(root, ('all', 'all'))


SOLO = {
    'annotationDefinitions': [
        {'@type': 'type.unity.com/unity.solo.BoundingBox2DAnnotation', 'id': 'bounding box', 'spec': []},
        {
            '@type': 'type.unity.com/unity.solo.SemanticSegmentationAnnotation',
            'id': 'semantic segmentation',
            'spec': [
                {'labelName': name, 'pixelValue': [*map(int, COLOURS[k]), 255]} for k, name in enumerate('xyz', 1)
            ],
        },
    ]
}
OLD = {
    'annotation_definitions': [
        {
            'id': '12f94d8d',
            'name': 'semantic segmentation',
            'spec': [
                {'label_name': name, 'pixel_value': dict(zip('rgba', [*(COLOURS[k] / 255).tolist(), 1.0]))}
                for k, name in enumerate('xyz', 1)
            ],
        }
    ]
}


@pytest.mark.parametrize('content', [SOLO, OLD], ids=['solo', 'before'])
def test_unity_perception_by_its_definitions(folders, content):
    root = folders(lambda ids, path, n: Image.fromarray(COLOURS[ids]).save(f'{path}.png'))
    (root / 'annotation_definitions.json').write_text(json.dumps(content))
    checked = look(root)
    assert shares(checked) == named(SHARES[0], x=SHARES[1], y=SHARES[2], z=SHARES[3])
    assert 'classes are those of' in notes(checked)


def test_virtual_kitti_by_its_text_and_by_name(folders):
    colours = np.array([[0, 0, 0], [255, 127, 80], [0, 139, 139], [100, 60, 100]], np.uint8)
    root = folders(lambda ids, path, n: Image.fromarray(colours[ids]).save(f'{path}.png'))
    by_name = {name: share for name, share in shares(look(root, classes='vkitti2')).items() if share}
    assert by_name == named(SHARES[0], car=SHARES[1] + SHARES[2], road=SHARES[3])
    (root / 'colors.txt').write_text(
        'Category r g b\nCar 255 127 80\nVan 0 139 139\nRoad 100 60 100\nUndefined 0 0 0\n'
    )
    assert shares(look(root)) == named(SHARES[0], Car=SHARES[1], Van=SHARES[2], Road=SHARES[3])


@pytest.mark.parametrize(
    ('name', 'ids'),
    [
        ('carla', {1: 'road', 12: 'person', 14: 'car', 19: 'bicycle', 24: 'road', 20: None}),
        ('carla-old', {7: 'road', 6: 'road', 4: 'person', 10: 'car', 22: 'terrain', 14: None}),
        ('viper', {3: 'road', 20: 'person', 24: 'car', 8: 'vegetation', 5: None}),
        ('urbansyn', {0: 'road', 18: 'bicycle', 19: None}),
    ],
)
def test_tables_by_name(name, ids):
    table = known_table(name)
    assert set(table.names) <= set(CLASSES)
    numbers = table.classes_of(np.array(list(ids)), False).tolist()
    assert [None if number == 255 else table.names[number] for number in numbers] == list(ids.values())


def test_scores_by_another_table_are_mapped_by_name(folders):
    root = folders(lambda ids, path, n: Image.fromarray(ids).save(f'{path}.png'))
    for folder in ('val_images', 'val'):
        (root / folder).mkdir()
    for n in range(2):
        Image.fromarray(photograph(n)).save(root / f'val_images/{n}.png')
        Image.fromarray(np.array([0, 7, 26, 24], np.uint8)[scene()]).save(root / f'val/{n}.png')  # road, car, person
    (root / 'mine.yaml').write_text('classes: {car: 2, road: 1}\nignore: [0, 3]')
    val = [str(root / 'val_images'), str(root / 'val'), 'cityscapes']
    source = [str(root / 'img'), str(root / 'lab')]
    checked = check(source, str(root / 'tgt'), val, str(root / 'mine.yaml'), root / 'out')
    table = checked.target_val.table
    assert table.names == ('car', 'road')
    assert table.classes_of(np.array([26, 7, 24, 0]), False).tolist() == [0, 1, 255, 255]
    assert 'that the source has not are ignored: sidewalk, building' in notes(checked)
    with pytest.raises(UserError, match='no name in common'):
        mapped(known_table('camvid'), look(root).table)
