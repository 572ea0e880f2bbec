"""A user's folders: which label belongs to which image, what a scan finds, and what training reads."""

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.datasets import (
    DatasetError,
    DomainPair,
    LabelledImages,
    RareClassSampling,
    UnlabelledImages,
    check_dataset,
    parse_class_table,
)
from sw_mmseg.datasets.image_pairs import find_pairs, find_suffixes
from sw_mmseg.datasets.label_scan import class_shares, scan
from sw_mmseg.datasets.rare_class import count_pixels

CLASSES = {'classes': {'road': 300, 'sky': [7, 8]}, 'ignore': [0]}
PIPELINE = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


@pytest.fixture
def photos(tmp_path):
    """Five JPEG images in nested folders with 16-bit labels: half road, a quarter sky, a quarter ignored."""
    ids = np.array([[300, 300, 300], [300, 300, 300], [7, 8, 7], [0, 255, 0]], np.uint16)
    for n in range(5):
        folder = ('monday', 'tuesday/late')[n % 2]
        for kind in ('images', 'labels'):
            (tmp_path / kind / folder).mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (3, 4), (n, 0, 0)).save(tmp_path / f'images/{folder}/{n}_photo.JPG')
        Image.fromarray(ids).save(tmp_path / f'labels/{folder}/{n}_label.png')
    return tmp_path


def folders(root):
    return dict(images=str(root / 'images'), labels=str(root / 'labels'))


@pytest.mark.parametrize(
    ('images', 'labels', 'expected'),
    [
        (['a/1', 'a/2'], ['a/1', 'a/2'], ('', '')),
        (
            ['c/c_01_000019_leftImg8bit', 'c/c_02_000019_leftImg8bit'],
            [f'c/c_0{n}_000019_gtFine_{kind}' for n in (1, 2) for kind in ('color', 'instanceIds', 'labelIds')],
            ('_leftImg8bit', '_gtFine_labelIds'),
        ),
        (['1_image', '2_image'], ['1_label', '2_label'], ('_image', '_label')),
        (['x.1', 'x.2'], ['x.1.mask', 'x.2.mask', 'y.mask'], ('', '.mask')),
        (['img_1', 'img_10'], ['img_1_seg', 'img_10_seg'], ('', '_seg')),
        (['a', 'a_b'], ['a_m', 'a_b_m'], ('', '_m')),
    ],
)
def test_suffixes_are_found(images, labels, expected):
    assert find_suffixes(images, labels) == expected


def test_two_kinds_of_label_files_have_to_be_told_apart():
    with pytest.raises(DatasetError, match="end with '_coarse', '_fine': say which with --label-suffix"):
        find_suffixes(['1', '2'], ['1_fine', '1_coarse', '2_fine', '2_coarse'])
    assert find_suffixes(['1', '2'], ['1_fine', '1_coarse', '2_fine', '2_coarse'], None, '_fine') == ('', '_fine')


def test_pairs_are_found_below_folders(photos):
    (photos / 'labels/monday/9_label.png').write_bytes(b'')
    (photos / 'images/monday/8_photo.JPG').write_bytes(b'')
    (photos / 'images/.thumbs').mkdir()
    (photos / 'images/.thumbs/0_photo.jpg').write_bytes(b'')
    pairs = find_pairs(**folders(photos))
    assert [name for name, _, _ in pairs.samples] == [
        'monday/0_photo',
        'monday/2_photo',
        'monday/4_photo',
        'tuesday/late/1_photo',
        'tuesday/late/3_photo',
    ]
    assert all(
        image.replace('images', 'labels').replace('photo.JPG', 'label.png') == label
        for _, image, label in pairs.samples
    )
    assert (pairs.without_label, pairs.without_image) == (('monday/8_photo',), ('monday/9_label',))


def test_what_does_not_match_is_said(photos):
    with pytest.raises(DatasetError, match=r"is called 'monday/0_photo', a label file 'monday/0_label'; compared"):
        find_pairs(**folders(photos), image_suffix='', label_suffix='')
    with pytest.raises(DatasetError, match=r'one folder.*--label-suffix _mask'):
        find_pairs(str(photos / 'images'), str(photos / 'images'))
    with pytest.raises(DatasetError, match=r'nowhere is missing'):
        find_pairs(str(photos / 'nowhere'), str(photos))
    with pytest.raises(DatasetError, match=r'holds no labels.*JPEG is no format'):
        find_pairs(str(photos / 'images'), str(photos / 'images'), '_photo')
    Image.new('L', (3, 4)).save(photos / 'images/monday/0_photo.png')
    with pytest.raises(DatasetError, match='differ only in their ending'):
        find_pairs(**folders(photos))


def test_a_data_set_reads_what_training_needs(photos):
    dataset = DATASETS.build(dict(type='LabelledImages', **folders(photos), classes=CLASSES, pipeline=PIPELINE))
    check_dataset(dataset)
    assert len(dataset) == 5 and dataset.metainfo['classes'] == ('road', 'sky')
    packed = dataset[0]
    expected = np.array([[0] * 3, [0] * 3, [1] * 3, [255] * 3])
    np.testing.assert_array_equal(packed['data_samples'].gt_sem_seg.data[0], expected)
    assert packed['inputs'].shape == (3, 4, 3)


def test_some_images_are_kept_apart_or_left_out(photos):
    def names(**options):
        dataset = LabelledImages(**folders(photos), classes=CLASSES, **options)
        return [dataset.get_data_info(i)['img_path'][-11:] for i in range(len(dataset))]

    whole = names()
    test_names, train_names = names(hold_out=3, held_out=True), names(hold_out=3)
    assert test_names == [whole[1], whole[4]] and sorted(test_names + train_names) == sorted(whole)
    assert names(leave_out=['tuesday/late/1_photo']) == whole[:3] + whole[4:]
    (photos / 'images/monday/8_photo.JPG').write_bytes(b'')
    with pytest.raises(DatasetError, match=r'1 images of .* have no label file in .*: monday/8_photo\. Compared were'):
        names()
    assert len(names(leave_out=['monday/8_photo'])) == 5
    with pytest.raises(ValueError, match='held_out=True needs it'):
        names(held_out=True)
    with pytest.raises(TypeError, match='instead of metainfo'):
        names(metainfo={})


def test_rare_classes_are_counted_in_such_labels(photos):
    dataset = LabelledImages(**folders(photos), classes=CLASSES)
    np.testing.assert_array_equal(count_pixels(dataset, cache=False), [[6, 3, 3]] * 5)
    assert RareClassSampling(dataset, cache=False).probabilities.shape == (2,)


def test_a_pair_of_domains_has_the_users_classes(photos):
    pair = DomainPair(
        dict(type='LabelledImages', **folders(photos), classes=CLASSES, pipeline=PIPELINE),
        dict(
            type='UnlabelledImages',
            data_root=str(photos / 'images'),
            leave_out=['tuesday/late/1_photo'],
            pipeline=[dict(type='LoadImage'), dict(type='PackSegInputs')],
        ),
    )
    pair.follow(0)
    assert pair.metainfo['classes'] == ('road', 'sky') and len(pair.target) == 4
    assert 'gt_sem_seg' in pair[0]['source']['data_samples'] and 'gt_sem_seg' not in pair[0]['target']['data_samples']
    assert isinstance(pair.target, UnlabelledImages)


def test_a_scan_counts_every_pixel_once(photos):
    tally = scan(find_pairs(**folders(photos)).samples, decode=None)
    assert (tally.count, tally.decoded, dict(tally.sizes), tally.faults) == (5, 5, {(3, 4): 5}, {})
    assert dict(tally.pixels) == {300: 30, 7: 10, 8: 5, 0: 10, 255: 5} and not tally.colors
    shares = class_shares(tally, parse_class_table({'classes': {'road': 300, 'sky': 7}, 'ignore': [0]}))
    assert shares.pixels.tolist() == [30, 10] and shares.ignored == 15 and shares.unknown == {8: 5}
    assert shares.total == 60


def test_a_scan_names_every_faulty_file(photos):
    images, labels = photos / 'images', photos / 'labels'
    (images / 'monday/0_photo.JPG').write_bytes(b'')
    whole = (labels / 'monday/2_label.png').read_bytes()
    (labels / 'monday/2_label.png').write_bytes(whole[: len(whole) // 2])
    Image.new('L', (5, 4)).save(labels / 'monday/4_label.png')
    samples = find_pairs(**folders(photos)).samples
    for decode in (None, 1):  # heads alone show what is empty and what differs in size
        faults = scan(samples, decode).faults
        assert 'monday/0_photo.JPG cannot be read (the file is empty)' in faults['monday/0_photo']
        assert '4_label.png is 5x4, its image' in faults['monday/4_photo']
    assert '2_label.png cannot be read' in scan(samples, None).faults['monday/2_photo']


def test_colour_labels_are_counted_by_colour(tmp_path):
    for n in range(2):
        Image.new('RGB', (2, 1)).save(tmp_path / f'{n}.png')
        Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).save(tmp_path / f'{n}_color.png')
    samples = [(str(n), str(tmp_path / f'{n}.png'), str(tmp_path / f'{n}_color.png')) for n in range(2)]
    tally = scan(samples)
    table = parse_class_table({'classes': {'a': {'color': [4, 5, 6]}, 'b': {'color': [7, 8, 9]}}})
    assert tally.colors and class_shares(tally, table).pixels.tolist() == [2, 0]
    assert class_shares(tally, table).unknown == {(1 << 16) + (2 << 8) + 3: 2}
    Image.fromarray(np.array([[1, 2]], np.uint8)).save(tmp_path / '1_color.png')
    with pytest.raises(DatasetError, match='1 label files hold colours and 1 hold ids'):
        scan(samples)


def test_a_scan_of_unlabelled_images_reports_progress(photos):
    told = []
    tally = scan(
        [(str(n), str(p), None) for n, p in enumerate(sorted((photos / 'images').rglob('*.JPG')))],
        progress=lambda *pair: told.append(pair),
    )
    assert tally.sizes[3, 4] == 5 and not tally.pixels and told == [(n, 5) for n in range(1, 6)]
