"""Whether the label files of a folder are ids or colours, and which way up they lie: decided by all of them."""

import itertools

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import DatasetError, LabelledImages, check_dataset, parse_class_table
from sw_mmseg.datasets.label_frames import LabelFrames, edges_on_borders
from sw_mmseg.datasets.label_scan import class_shares, scan

COLOURS = np.array([[0, 0, 0], [200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
TABLE = parse_class_table({'classes': {name: {'color': color} for name, color in zip('abcd', COLOURS.tolist())}})
CLASSES = np.array([[0, 0, 0, 1], [0, 0, 2, 3]], np.uint8)


def paletted(path, classes, order, spare=0):
    """A paletted file whose index i shows the colour of class order[i]."""
    number = {klass: index for index, klass in enumerate(order)}
    picture = Image.fromarray(np.vectorize(number.get)(classes).astype(np.uint8))
    picture.putpalette([part for klass in order for part in COLOURS[klass].tolist()] + [7] * 3 * spare)
    picture.save(path)


def samples(folder):
    labels = sorted(folder.glob('*_l.*'))
    for path in labels:
        Image.new('RGB', (4, 2)).save(folder / f'{path.name[0]}.png')
    return [(path.name[0], str(folder / f'{path.name[0]}.png'), str(path)) for path in labels]


def test_palettes_numbered_anew_are_colours(tmp_path):
    for name, order in zip('xyz', itertools.permutations(range(4))):
        paletted(tmp_path / f'{name}_l.png', CLASSES, (order[3], *order[:3]))
    tally = scan(samples(tmp_path))
    assert tally.colors and 'numbered anew in every file' in tally.notes[0]
    assert class_shares(tally, TABLE).pixels.tolist() == [15, 3, 3, 3]
    for path in tmp_path.glob('*_l.png'):
        np.testing.assert_array_equal(TABLE.read(str(path)), CLASSES)
    with pytest.raises(DatasetError, match=r'index 0 is \(.*Give its classes their colours'):
        scan(samples(tmp_path), ids=True)


def test_palettes_that_agree_are_indices(tmp_path):
    paletted(tmp_path / 'x_l.png', CLASSES, (3, 0, 1, 2))
    paletted(tmp_path / 'y_l.png', CLASSES * (CLASSES != 2), (3, 0, 1, 2), spare=4)  # two entries of one colour
    tally = scan(samples(tmp_path))
    assert not tally.colors and dict(tally.pixels) == {1: 11, 2: 2, 3: 1, 0: 2} and not tally.notes


def test_palettes_that_merely_differ_are_asked_about(tmp_path):
    """Red is index 1 in one file and green in the other: nothing says which of both is meant."""
    paletted(tmp_path / 'x_l.png', CLASSES * (CLASSES == 1), (0, 1))
    paletted(tmp_path / 'y_l.png', CLASSES * (CLASSES == 2), (0, 2))
    with pytest.raises(DatasetError, match=r'index 1 is \(200, 0, 0\) in .*x_l.png and \(0, 200, 0\) in .*: are the'):
        scan(samples(tmp_path))
    assert class_shares(scan(samples(tmp_path), colors=True), TABLE).pixels.tolist() == [14, 1, 1, 0]
    tally = scan(samples(tmp_path), ids=True)
    assert dict(tally.pixels) == {0: 14, 1: 2} and 'indices are taken' in tally.notes[0]


@pytest.mark.parametrize('mode', ['RGB', 'L', '1', 'P'])
def test_a_black_file_among_colours_is_a_colour(tmp_path, mode):
    Image.fromarray(COLOURS[CLASSES]).save(tmp_path / 'x_l.png')
    Image.new(mode, (4, 2)).save(tmp_path / 'y_l.png')
    tally = scan(samples(tmp_path))
    assert tally.colors and class_shares(tally, TABLE).pixels.tolist() == [13, 1, 1, 1]
    np.testing.assert_array_equal(TABLE.read(str(tmp_path / 'y_l.png')), CLASSES * 0)


def test_rgb_files_of_grey_alone_are_ids(tmp_path):
    Image.fromarray(np.repeat(CLASSES[..., None], 3, axis=2)).save(tmp_path / 'x_l.png')
    Image.fromarray(CLASSES).save(tmp_path / 'y_l.png')
    tally = scan(samples(tmp_path))
    assert not tally.colors and dict(tally.pixels) == {0: 10, 1: 2, 2: 2, 3: 2}


def test_files_of_few_bits_among_others(tmp_path):
    Image.fromarray(CLASSES > 0).save(tmp_path / 'x_l.png')
    Image.fromarray((CLASSES > 1).astype(np.uint8)).save(tmp_path / 'y_l.png')
    assert dict(scan(samples(tmp_path)).pixels) == {0: 11, 1: 5}
    Image.fromarray((CLASSES > 1).astype(np.uint8) * 255).save(tmp_path / 'z_l.png')
    with pytest.raises(DatasetError, match=r'x_l\.png has 1 bits a pixel and .*z_l\.png 8.*Write all with 8 bits'):
        scan(samples(tmp_path))


def test_a_data_set_by_hand_is_checked_for_it(tmp_path):
    for name, order in (('x', (0, 1, 2, 3)), ('y', (3, 2, 1, 0))):
        paletted(tmp_path / f'{name}.png', CLASSES, order)
        (tmp_path / 'images').mkdir(exist_ok=True)
        Image.new('RGB', (4, 2)).save(tmp_path / f'images/{name}.png')
    with pytest.raises(DatasetError, match='numbered anew'):
        check_dataset(LabelledImages(str(tmp_path / 'images'), str(tmp_path), {'classes': dict(zip('abcd', range(4)))}))


def scene(size=(40, 60)):
    """An image and its labels, of which no turn is like another."""
    labels = np.zeros(size, np.uint8)
    labels[3:15, 5:30], labels[20:35, 35:50] = 1, 2
    noise = np.random.default_rng(0).integers(0, 10, (*size, 3))
    return (np.array([[120] * 3, [200, 60, 50], [60, 90, 210]])[labels] + noise).astype(np.uint8), labels


@pytest.mark.parametrize('turn', range(2, 9))
@pytest.mark.parametrize('frame', ['shown', 'stored'])
@pytest.mark.parametrize('square', [True, False])
def test_labels_of_turned_images_are_brought_into_their_frame(tmp_path, turn, frame, square):
    image, labels = scene((40, 40) if square else (40, 60))
    mark = Image.Exif()
    mark[0x112] = turn
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    Image.fromarray(image).save(tmp_path / 'images/i.png', exif=mark)
    shown = np.asarray(Image.fromarray(labels).transpose({2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[turn]))
    Image.fromarray(labels if frame == 'stored' else shown).save(tmp_path / 'labels/i.png')
    tally = scan([('i', str(tmp_path / 'images/i.png'), str(tmp_path / 'labels/i.png'))])
    assert (tally.faults, tally.frame) == ({}, frame) and 'turned by EXIF' in tally.notes[0]
    dataset = LabelledImages(
        str(tmp_path / 'images'),
        str(tmp_path / 'labels'),
        {'classes': dict(zip('abc', range(3)))},
        label_frame=tally.frame,
        pipeline=[dict(type='LoadImage'), dict(type='LoadLabels')],
    )
    np.testing.assert_array_equal(dataset[0]['gt_seg_map'], shown)
    assert dataset[0]['img'].shape[:2] == shown.shape


def test_labels_of_another_size_than_both_frames_are_a_fault(tmp_path):
    mark = Image.Exif()
    mark[0x112] = 6
    Image.new('RGB', (60, 40)).save(tmp_path / 'i.png', exif=mark)
    Image.new('L', (60, 41)).save(tmp_path / 'l.png')
    for decode in (None, 0):
        faults = scan([('i', str(tmp_path / 'i.png'), str(tmp_path / 'l.png'))], decode).faults
        assert 'l.png is 60x41, its image' in faults['i'] and '40x60' in faults['i']


def test_what_neither_sizes_nor_edges_tell_is_asked_about():
    frames = LabelFrames()
    flat = np.full((40, 60, 3), 90, np.uint8)
    assert edges_on_borders(flat, scene()[1], 3) == (0.0, 0.0)
    frames.add_pair('i.jpg', edges_on_borders(flat, scene()[1], 3))
    with pytest.raises(DatasetError, match=r'such as i\.jpg.*-auto-orient.*exiftool -Orientation='):
        frames.decide()
    frames.add_size('stored')  # another pair of the folder tells
    assert frames.decide()[0] == 'stored'
