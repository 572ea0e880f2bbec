"""Which label belongs to which image, in two folders and in one."""

import unicodedata

import pytest
from PIL import Image

from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.image_pairs import find_pairs
from sw_mmseg.datasets.name_matching import match_names
from sw_mmseg.datasets.one_folder import divide


@pytest.mark.parametrize(
    ('image', 'label'),
    [
        ('{}', 'label_{}'),
        ('img_{}', 'mask_{}'),
        ('img{}', 'mask{}'),
        ('a/IMG_{}', 'a/gt_{}_seg'),
        ('{}', 'lbl/{}'),
        ('s1/rgb/{}', 's1/seg/{}'),
        ('rgb/{}_photo', 'seg/{}_ids'),
        ('IMG_{}', 'img_{}'),
        ('x-{}', 'x-{}-mask'),
        ('day/img_{}', 'day/mask_{}'),
        ('f.{}', 'f.{}.labels'),
    ],
)
def test_names_that_differ_in_front_behind_or_in_folders(image, label):
    images = [image.format(f'{n:02d}') for n in range(12)]
    labels = [label.format(f'{n:02d}') for n in range(12)]
    assert match_names(images, labels).labels == dict(zip(images, labels))
    assert match_names(images, labels[:9]).labels == dict(zip(images[:9], labels))


def test_numbers_with_and_without_zeros_and_letters_with_accents():
    assert match_names(['1', '2', '10'], ['0001', '0002', '0010']).labels == {'1': '0001', '2': '0002', '10': '0010'}
    composed, divided = (unicodedata.normalize(form, 'café_1') for form in ('NFC', 'NFD'))
    assert match_names([composed], [divided]).labels == {composed: divided}


def test_the_plainest_rule_that_matches_is_taken():
    images, labels = ['a/1', 'b/1', 'b/2'], ['a/1', 'b/1', 'b/2']
    assert match_names(images, labels).rule == '' and match_names(images, labels).labels == dict(zip(images, labels))
    assert match_names(['a/1', 'b/1'], ['c/1', 'd/1']).labels == {}  # the folders are all that tells them apart
    assert match_names(['x', 'y'], ['1', '2']).labels == {}


@pytest.mark.parametrize(
    ('names', 'images', 'labels'),
    [
        (['0.png', '0_mask.png', '1.png', '1_mask.png'], ['0.png', '1.png'], ['0_mask.png', '1_mask.png']),
        (['0.jpg', '0.png', '1.jpg', '1.png', '5.png'], ['0.jpg', '1.jpg'], ['0.png', '1.png', '5.png']),
        (
            ['img_0.png', 'mask_0.png', 'img_1.png', 'mask_1.png'],
            ['img_0.png', 'img_1.png'],
            ['mask_0.png', 'mask_1.png'],
        ),
        (['images/0.png', 'masks/0.png'], ['images/0.png'], ['masks/0.png']),
        (['images/a_photo.jpg', 'labels/a_ids.png'], ['images/a_photo.jpg'], ['labels/a_ids.png']),
        (
            ['0_leftImg8bit.png', '0_gtFine_color.png', '0_gtFine_labelIds.png', '0_gtFine_instanceIds.png'],
            ['0_leftImg8bit.png'],
            ['0_gtFine_labelIds.png'],
        ),
        (['0.png', '0_L.png', '1.png', '1_L.png'], ['0.png', '1.png'], ['0_L.png', '1_L.png']),
    ],
)
def test_one_folder_is_divided(names, images, labels):
    assert divide(names)[:2] == (images, labels)


def test_one_folder_is_divided_as_told_or_refused():
    names = ['0_x.png', '0_y.png', '1_x.png', '1_y.png']
    assert divide(names, None, '_x')[:2] == (['0_y.png', '1_y.png'], ['0_x.png', '1_x.png'])
    assert divide(names, '_y', None)[:2] == (['0_y.png', '1_y.png'], ['0_x.png', '1_x.png'])
    with pytest.raises(DatasetError, match='--label-suffix _mask'):
        divide(names)


def save(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('L', (4, 4)).save(path)


def names_of(pairs):
    return [(image.rpartition('/')[2], label.rpartition('/')[2]) for _, image, label in pairs.samples]


def test_one_folder_and_one_below_the_other(tmp_path):
    for n in range(3):
        save(
            tmp_path / f'one/{n}.png',
            tmp_path / f'one/{n}_mask.png',
            tmp_path / f'above/{n}.png',
            tmp_path / f'above/masks/{n}.png',
            tmp_path / f'below/{n}.png',
            tmp_path / f'below/images/{n}.png',
        )
    one = find_pairs(str(tmp_path / 'one'), str(tmp_path / 'one'))
    assert names_of(one) == [(f'{n}.png', f'{n}_mask.png') for n in range(3)] and not one.without_label
    again = find_pairs(str(tmp_path / 'one'), str(tmp_path / 'one'), one.image_suffix, one.label_suffix)
    assert again.samples == one.samples  # as a config has it
    above = find_pairs(str(tmp_path / 'above'), str(tmp_path / 'above/masks'))
    below = find_pairs(str(tmp_path / 'below/images'), str(tmp_path / 'below'))
    for pairs in (above, below):
        assert names_of(pairs) == [(f'{n}.png', f'{n}.png') for n in range(3)]
        assert not pairs.without_label and not pairs.without_image
        assert all(image != label for _, image, label in pairs.samples)


def test_two_endings_are_told_apart_by_option(tmp_path):
    save(tmp_path / 'i/0.png', tmp_path / 'l/0.png', tmp_path / 'l/0.tif')
    with pytest.raises(DatasetError, match=r'0\.png and .*0\.tif differ only in their ending.*--label-suffix \.tif'):
        find_pairs(str(tmp_path / 'i'), str(tmp_path / 'l'))
    assert names_of(find_pairs(str(tmp_path / 'i'), str(tmp_path / 'l'), None, '.tif')) == [('0.png', '0.tif')]


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('0.jpg', 'holds 1 JPEG files .JPEG is no format for labels'),
        ('0.txt', 'polygons IMAGES LABELS OUT'),
        ('0.mat', r'1 \.mat files, which are not read: convert them, with scipy'),
    ],
)
def test_labels_of_other_kinds_are_named(tmp_path, name, text):
    save(tmp_path / 'i/0.png')
    (tmp_path / 'l').mkdir()
    (tmp_path / 'l' / name).write_bytes(b'x')
    with pytest.raises(DatasetError, match=text):
        find_pairs(str(tmp_path / 'i'), str(tmp_path / 'l'))
