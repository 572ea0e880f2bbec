"""Strange images and folders, through the check of tools/adapt.py: what is used, what is said, or one error."""

import argparse
import json
import os

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.config import source_of
from sw_mmseg.own_images.plan import choose
from sw_mmseg.running.errors import UserError
from tests.helpers.strange_folders import (
    COLOURS,
    SHARES,
    SIZE,
    classes,
    grey,
    look,
    notes,
    photograph,
    read_by_training,
    scene,
    shares,
)


def test_twelve_bits_in_sixteen(folders):
    def deep(pixels, path, n):
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 16).save(f'{path}.png')

    root = folders(grey, deep)
    checked = look(root)
    assert '4 images are deeper than 8 bits; 4095 is white' in notes(checked)
    expected = (photograph(0)[..., 0].astype(int) * 16 * 255 / 4095).round().astype(np.uint8)
    np.testing.assert_array_equal(read_by_training(root, checked)['img'], np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize('turn', [3, 6])
def test_images_that_exif_turns_beside_labels_that_are_not(folders, turn):
    mark = Image.Exif()
    mark[0x112] = turn
    root = folders(grey, lambda pixels, path, n: Image.fromarray(pixels).save(f'{path}.jpg', exif=mark, quality=95))
    checked = look(root)
    assert 'their labels lie as the images are stored' in notes(checked) and shares(checked) == classes(SHARES)
    expected = scene()[::-1, ::-1] if turn == 3 else np.rot90(scene(), -1)
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], expected)


@pytest.mark.parametrize('place', ['img/{}_mask.png', 'img/masks/{}.png'])
def test_images_and_labels_in_one_folder_or_below(folders, place):
    root = folders(grey)
    (root / 'img/masks').mkdir(exist_ok=True)
    for n in range(4):
        (root / f'lab/{n}.png').rename(root / place.format(n))
    checked = look(root, ('img', 'img' if place.endswith('_mask.png') else 'img/masks'))
    assert shares(checked) == classes(SHARES) and len(checked.source.names) == 4
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene())


@pytest.mark.parametrize('image, label', [('{}_{}_Photo', '{}_{}_Mask'), ('{}{}.JPG', '{}{}')])
def test_names_whose_ends_the_check_finds_are_found_by_training(folders, image, label):
    root = folders(grey)
    for n in range(4):
        town = ('Berlin', 'Bonn', 'Trier', 'Ulm')[n]
        (root / f'img/{n}.png').rename(root / f'img/{image.format(town, n)}.png')
        (root / f'lab/{n}.png').rename(root / f'lab/{label.format(town.lower(), n)}.png')
    checked = look(root)
    assert len(checked.source.names) == 4
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene())


def test_files_chosen_by_their_ending_are_those_of_training(folders):
    root = folders(grey)
    for n in range(4):
        Image.fromarray(photograph(n) // 2).save(root / f'img/{n}.bmp')
    for suffix, factor in (('.png', 1), ('.bmp', 2)):
        checked = look(root, suffixes=(suffix, None))
        assert [path[-4:] for path in checked.source.paths] == [suffix] * 4
        read = read_by_training(root, checked)['img'][..., ::-1]
        np.testing.assert_array_equal(read, photograph(0) // factor)


def test_outlines_are_drawn_into_the_results(folders):
    def write(ids, path, n):
        content = {
            'imageHeight': SIZE[1],
            'imageWidth': SIZE[0],
            'shapes': [{'label': 'red', 'shape_type': 'rectangle', 'points': [[3, 3], [29, 16]]}],
        }
        with open(f'{path}.json', 'w') as file:
            json.dump(content, file)

    root = folders(write)
    checked = look(root)
    assert shares(checked) == {'background': 84.25, 'red': 15.75, '(ignored)': 0.0}
    assert 'labels are outlines (labelme): 4 files were drawn into' in notes(checked)
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene() == 1)


def test_a_target_that_is_of_the_source(folders):
    root = folders(grey)
    (root / 'lab/inner').mkdir()
    for target, text in (
        ('img', "is the folder of the source's images"),
        ('lab', "is the folder of the source's labels"),
        ('lab/inner', "lies in the folder of the source's labels"),
        ('.', r"holds the source's images.*alone, such as .*tgt"),
    ):
        with pytest.raises(UserError, match=text):
            check([str(root / 'img'), str(root / 'lab')], str(root / target), None, None, root.parent / 'elsewhere')
    os.symlink(root / 'img', root / 'again')
    with pytest.raises(UserError, match="is the folder of the source's images"):
        look(root, target='again')


@pytest.mark.parametrize('mask', ['{}.png', '{}_mask.png', 'masks/{}.png'])
@pytest.mark.parametrize('kind', ['grey', 'palette', 'colours'])
def test_masks_among_the_target_images_are_left_out(folders, mask, kind):
    root = folders(grey)
    (root / 'tgt/masks').mkdir()
    for n in range(4):
        picture = Image.fromarray(COLOURS[scene()] if kind == 'colours' else scene())
        if kind == 'palette':
            picture.putpalette(COLOURS.ravel().tolist())
        picture.save(root / 'tgt' / mask.format(n))
    checked = look(root)
    assert checked.target.names == ('0', '1', '2', '3') and all(path.endswith('.jpg') for path in checked.target.paths)
    assert '4 files look like labels and are not taken for images' in notes(checked)
    dataset = DATASETS.build(
        dict(type='UnlabelledImages', data_root=str(root / 'tgt'), leave_out=list(checked.target.leave_out))
    )
    assert [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))] == list(checked.target.paths)


def test_a_target_of_label_maps_alone_is_refused(folders):
    root = folders(grey)
    for n in range(4):
        (root / f'tgt/{n}.jpg').unlink()
        grey(scene(), f'{root}/tgt/{n}', n)
    with pytest.raises(UserError, match=r'all 4 files, such as 0\.png, have one channel.*look like labels'):
        look(root)


def test_photographs_of_the_target_called_color_are_trained_on(folders):
    root = folders(grey)
    for n in range(4):
        Image.fromarray(photograph(n)).save(root / f'tgt/{n}_color.png')
        (root / f'tgt/{n}.jpg').unlink()
    checked = look(root)
    assert len(DATASETS.build(source_of(checked.target, checked))) == 4


def test_two_target_images_of_one_name_are_asked_about(folders):
    root = folders(grey)
    Image.fromarray(photograph(9)).save(root / 'tgt/0.png')
    with pytest.raises(UserError, match=r'0\.jpg and 0\.png differ only in their ending'):
        look(root)


def test_files_that_are_cut_short_are_found_wherever_they_lie(folders, monkeypatch):
    monkeypatch.setattr('sw_mmseg.own_images.check.LOOKED_AT', 2)  # the first and the last are read whole
    root = folders(grey)
    data = (root / 'tgt/1.jpg').read_bytes()
    (root / 'tgt/1.jpg').write_bytes(data[:-100])
    with pytest.raises(UserError, match=r'target: 1 of 4 files are faulty: image .*1\.jpg cannot be read'):
        look(root)
    assert look(root, skip_bad=True).target.names == ('0', '2', '3')
    (root / 'tgt/1.jpg').write_bytes(data)
    label = root / 'lab/2.png'
    pixels = bytearray(label.read_bytes())
    pixels[60] ^= 255  # damaged in its midst: heads and ends are as they should be
    label.write_bytes(bytes(pixels))
    (root / 'c.yaml').write_text('classes: {a: 0, b: 1, c: 2, d: 3}')
    checked = look(root, classes=str(root / 'c.yaml'), skip_bad=True)
    assert checked.source.names == ('0', '1', '3')
    assert '1 images left out: 0 without a label file, 1 faulty' in notes(checked)


def test_images_too_small_or_too_long_are_said_before_training(folders):
    root = folders(grey)
    Image.fromarray(photograph(5)[:3]).save(root / 'tgt/thin.png')
    Image.new('RGB', (200, 8)).save(root / 'tgt/long.png')
    text = r'long\.png is 200x8: its long side may be 16 times.*thin\.png is 60x3: at least 4'
    with pytest.raises(UserError, match=text):
        look(root)
    assert look(root, skip_bad=True).target.names == ('0', '1', '2', '3')
    for n in range(4):
        Image.fromarray(photograph(n)[:20, :20]).save(root / f'tgt/{n}.jpg')
    with pytest.raises(UserError, match=r'target: the images of .*tgt are 20x20 pixels; at least 32'):
        look(root, skip_bad=True)


def test_images_are_never_scaled_up(folders):
    checked = look(folders(grey))
    args = argparse.Namespace(
        network='narrow', norm='sw', method='adaptsegnet', short_side=9999, batch_size=None, iterations=100, seed=0
    )
    choice, reasons = choose(args, checked)
    assert choice.short_side == 40 and choice.source_crop == (40, 56)
    reason = '9999 was asked for; the images have 40, and are not scaled up'
    assert ('short side of images', '40 pixels', reason) in reasons


def test_links_and_hidden_files_in_the_folders(folders):
    root = folders(grey)
    os.symlink('..', root / 'tgt/loop')
    os.symlink('.', root / 'lab/self')
    (root / 'tgt/loop').unlink()
    os.symlink('.', root / 'tgt/loop')
    (root / 'tgt/._0.jpg').write_bytes(b'junk')
    checked = look(root)
    assert len(checked.target.names) == 4 and '1 links to folders that were seen already' in notes(checked)
    assert '1 hidden' in notes(checked)
