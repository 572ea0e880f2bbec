"""Folders as strangers have them, through the check of tools/adapt.py: exact shares of classes, notes, or one error."""

import argparse
import json
import os

import cv2
import numpy as np
import pytest
import tifffile
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.datasets import DatasetError, write_class_table
from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.config import make_config
from sw_mmseg.own_images.plan import choose
from sw_mmseg.running.errors import UserError

SIZE = (60, 40)  # width, height
COLOURS = np.array([[0, 0, 0], [200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
SHOWN = np.array([[170, 170, 170], [200, 60, 50], [60, 90, 210], [50, 170, 70]], np.uint8)
SHARES = {0: 67.25, 1: 15.75, 2: 12.0, 3: 5.0}  # percent of all pixels, by hand from `scene`


def scene():
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[3:17, 3:30] = 1  # 14 x 27 = 378 of 2400
    labels[20:38, 30:46] = 2  # 18 x 16 = 288
    labels[2:14, 48:58] = 3  # 12 x 10 = 120
    return labels


def photograph(n, colours=SHOWN):
    noise = np.random.default_rng(n).integers(0, 20, (*SIZE[::-1], 3))
    return (colours[scene()].astype(int) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """`folders(label)` writes four images, their labels by `label(ids, path without ending, n)`, and four targets."""
    init_default_scope('mmseg')

    def write(label, image=lambda pixels, path, n: Image.fromarray(pixels).save(f'{path}.png')):
        for folder in ('img', 'lab', 'tgt'):
            (tmp_path / folder).mkdir(exist_ok=True)
        for n in range(4):
            image(photograph(n), f'{tmp_path}/img/{n}', n)
            label(scene(), f'{tmp_path}/lab/{n}', n)
            Image.fromarray(photograph(n) // 2).save(tmp_path / f'tgt/{n}.jpg')
        return tmp_path

    return write


def look(root, source=('img', 'lab'), target='tgt', classes=None, **options):
    source = [str(root / folder) for folder in source]
    return check(source, str(root / target), None, classes, root / 'out', **options)


def shares(found):
    rows = found.class_table().rows
    return {name: share for name, _, share in rows}


def notes(found):
    return ' | '.join(note for folder in found.folders for note in folder.notes)


def classes(values, names='class {}'):
    """What `shares` gives, with a share for each class and nothing ignored."""
    return {**{names.format(k): pytest.approx(v) for k, v in values.items()}, '(ignored)': 0.0}


def grey(ids, path, n):
    Image.fromarray(ids).save(f'{path}.png')


def read_by_training(root, found):
    """Images and labels (first sample) that the config of a training reads, without augmentation."""
    args = argparse.Namespace(network='narrow', norm='sw', method='adaptsegnet', short_side=None, batch_size=None,
                              iterations=100, seed=0)
    choice, _ = choose(args, found)
    config = make_config(choice, found, 'sourceonly', {})
    source = config.train_dataloader.dataset
    source = source.get('source', source.get('dataset', source))
    source.pipeline = [step for step in source.pipeline if step.type in ('LoadImage', 'LoadLabels')]
    return DATASETS.build(source)[0]


def test_synthias_sixteen_bits(folders):
    def write(ids, path, n):
        cv2.imwrite(f'{path}.png', np.dstack([ids * 0, ids * 0 + n, ids]).astype(np.uint16))

    root = folders(write)
    found = look(root)
    assert shares(found) == classes(SHARES) and 'class ids are taken from the first band' in notes(found)
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], scene())


def test_twelve_bits_in_sixteen(folders):
    def deep(pixels, path, n):
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 16).save(f'{path}.png')

    root = folders(grey, deep)
    found = look(root)
    assert '4 images are deeper than 8 bits; 4095 is white' in notes(found)
    expected = (photograph(0)[..., 0].astype(int) * 16 * 255 / 4095).round().astype(np.uint8)
    np.testing.assert_array_equal(read_by_training(root, found)['img'], np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize('turn', [3, 6])
def test_images_that_exif_turns_beside_labels_that_are_not(folders, turn):
    mark = Image.Exif()
    mark[0x112] = turn
    root = folders(grey, lambda pixels, path, n: Image.fromarray(pixels).save(f'{path}.jpg', exif=mark, quality=95))
    found = look(root)
    assert 'their labels lie as the images are stored' in notes(found) and shares(found) == classes(SHARES)
    expected = scene()[::-1, ::-1] if turn == 3 else np.rot90(scene(), -1)
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], expected)


def test_palettes_that_differ(folders):
    def write(ids, path, n):
        order = np.roll(np.arange(4), n)  # index -> class
        picture = Image.fromarray(np.argsort(order).astype(np.uint8)[ids])
        picture.putpalette(COLOURS[order].ravel().tolist())
        picture.save(f'{path}.png')

    root = folders(write)
    with pytest.raises(UserError, match=r'colour pictures \(palettes of the label files differ: index 0 is .*colours '
                                        r'are taken for classes\): \(0, 0, 0\) \(67.2 %\)'):
        look(root)
    found = look(root, classes=str(root / 'out/check/colours.yaml'))
    named = {f'colour {i}': share for i, share in enumerate(SHARES.values(), 1)}  # the commonest first
    assert shares(found) == classes(named, '{}')
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], scene())


def test_greys_numbered_anew_in_every_file(folders):
    """GIF: an image that lacks an id has others for the rest."""
    root = folders(lambda ids, path, n: Image.fromarray(ids * (ids != n % 3)).save(f'{path}.gif'))
    found = look(root)
    lost = (1, 2)  # n = 0, 3 lose none, n = 1 loses class 1, n = 2 class 2
    expected = {0: 67.25 + sum(SHARES[k] / 4 for k in lost), **{k: SHARES[k] * .75 for k in lost}, 3: 5.0}
    assert shares(found) == classes(expected)


def test_binary_masks_are_two_classes(folders):
    root = folders(lambda ids, path, n: Image.fromarray((ids > 0).astype(np.uint8) * 255).save(f'{path}.png'))
    found = look(root)
    assert shares(found) == classes({0: 67.25, 255: 32.75}) and 'the labels hold 0, 255 alone' in notes(found)
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], scene() > 0)
    (root / 'c.yaml').write_text('classes: {a: 0, b: 7}\nignore: [255]')  # unless a table says otherwise
    assert shares(look(root, classes=str(root / 'c.yaml'))) == {'a': 100.0, 'b': 0.0, '(ignored)': 32.75}


@pytest.mark.parametrize('levels', [(0, 127, 255), (0, 85, 170, 255)])
def test_masks_of_several_greys(folders, levels):
    root = folders(lambda ids, path, n: Image.fromarray(np.array(levels, np.uint8)[ids.clip(0, len(levels) - 1)])
                   .save(f'{path}.png'))
    merged = {**SHARES, 2: 17.0} if len(levels) == 3 else SHARES
    assert shares(look(root)) == classes({level: merged[k] for k, level in enumerate(levels)})


def test_255_beside_other_ids_is_no_class(folders):
    def write(ids, path, n):
        Image.fromarray(np.where(ids == 3, 255, ids).astype(np.uint8)).save(f'{path}.png')

    rest = {f'class {k}': pytest.approx(SHARES[k] / .95) for k in range(3)}
    assert shares(look(folders(write))) == {**rest, '(ignored)': 5.0}


def test_soft_borders_of_binary_masks_are_ignored(folders):
    def write(ids, path, n):
        Image.fromarray(cv2.GaussianBlur((ids > 0).astype(np.uint8) * 255, (3, 3), 0)).save(f'{path}.png')

    found = look(folders(write))
    assert 'at soft borders alone' in notes(found) and found.table.ignore_unknown
    assert set(shares(found)) == {'class 0', 'class 255', '(ignored)'} and 5 < shares(found)['(ignored)'] < 20


def test_soft_borders_of_colours_are_proposed_as_ignored(folders):
    root = folders(lambda ids, path, n: Image.fromarray(cv2.GaussianBlur(COLOURS[ids], (3, 3), 0)).save(f'{path}.png'))
    with pytest.raises(UserError, match=r'colours between them lie on soft borders alone .*`unknown: ignore`'):
        look(root)
    text = (root / 'out/check/colours.yaml').read_text()
    assert text.count('color:') == 4 and text.rstrip().endswith('unknown: ignore')
    found = look(root, classes=str(root / 'out/check/colours.yaml'))
    labels = read_by_training(root, found)['gt_seg_map']
    inside = cv2.erode((scene() == 1).astype(np.uint8), np.ones((5, 5))) > 0
    assert (labels[inside] == 1).all() and (labels[scene() == 1] != 0).all() and (labels == 255).any()


def test_thin_things_are_classes_and_no_soft_borders(folders):
    """Lines of one pixel have no inside, as soft borders have none; and their ids, or colours, are few."""
    def lines(ids):
        ids = np.where(ids == 3, 255, 0).astype(np.uint8)
        ids[25], ids[30] = 1, 2
        return ids

    root = folders(lambda ids, path, n: Image.fromarray(lines(ids)).save(f'{path}.png'))
    assert set(shares(look(root))) == {'class 0', 'class 1', 'class 2', '(ignored)'}
    colours = np.zeros((256, 3), np.uint8)
    colours[[1, 2, 255]] = [64, 64, 64], [64, 0, 0], [128, 128, 128]  # both between others
    root = folders(lambda ids, path, n: Image.fromarray(colours[lines(ids)]).save(f'{path}.png'))
    with pytest.raises(UserError, match='Say what each colour is'):
        look(root)
    text = (root / 'out/check/colours.yaml').read_text()
    assert text.count('color:') == 4 and 'unknown' not in text


@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_a_black_label_among_colours(folders, mode):
    def write(ids, path, n):
        Image.fromarray(COLOURS[ids * (n != 2)]).convert('RGB' if n != 2 else mode).save(f'{path}.png')

    root = folders(write)
    with pytest.raises(UserError, match='Say what each colour is'):
        look(root)
    found = look(root, classes=str(root / 'out/check/colours.yaml'))
    assert shares(found)['colour 2'] == pytest.approx(15.75 * .75)


def test_one_class_alone_comes_with_the_table_to_write(folders):
    root = folders(lambda ids, path, n: Image.fromarray(np.where(ids > 0, 7, 255).astype(np.uint8)).save(f'{path}.png'))
    with pytest.raises(UserError, match=r'one class alone, id 7, and 255, .*--classes .*classes\.yaml'):
        look(root)
    found = look(root, classes=str(root / 'out/check/classes.yaml'))
    assert shares(found) == {'background': 67.25, 'class 7': 32.75, '(ignored)': 0.0}


def test_minus_one_is_void(folders):
    root = folders(lambda ids, path, n: tifffile.imwrite(f'{path}.tif', ids.astype(np.int16) - 1))
    found = look(root)
    assert shares(found) == {'class 0': pytest.approx(1575 / 32.75), 'class 1': pytest.approx(1200 / 32.75),
                             'class 2': pytest.approx(500 / 32.75), '(ignored)': 67.25}
    assert found.table.ignore == (255, -1)


@pytest.mark.parametrize('write', [
    lambda ids, path, n: np.save(f'{path}.npy', ids.astype(np.int64)),
    lambda ids, path, n: tifffile.imwrite(f'{path}.tif', ids.astype(np.int64)),
    lambda ids, path, n: tifffile.imwrite(f'{path}.tif', ids.astype(np.float64)),
    lambda ids, path, n: Image.fromarray(np.dstack([ids] * 3)).save(f'{path}.webp', lossless=True),
    lambda ids, path, n: Image.fromarray(ids).save(f'{path}.png', bits=2),
    lambda ids, path, n: Image.fromarray(ids).save(f'{os.path.dirname(path)}/label_{n}.png'),
    lambda ids, path, n: Image.fromarray(ids).save(f'{os.path.dirname(path)}/000{n}_mask.png')])
def test_forms_that_are_read_as_any_other(folders, write):
    root = folders(write)
    found = look(root)
    assert shares(found) == classes(SHARES)
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], scene())


@pytest.mark.parametrize('place', ['img/{}_mask.png', 'img/masks/{}.png'])
def test_images_and_labels_in_one_folder_or_below(folders, place):
    root = folders(grey)
    (root / 'img/masks').mkdir(exist_ok=True)
    for n in range(4):
        (root / f'lab/{n}.png').rename(root / place.format(n))
    found = look(root, ('img', 'img' if place.endswith('_mask.png') else 'img/masks'))
    assert shares(found) == classes(SHARES) and len(found.source.names) == 4
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], scene())


def test_outlines_are_drawn_into_the_results(folders):
    def write(ids, path, n):
        content = {'imageHeight': SIZE[1], 'imageWidth': SIZE[0], 'shapes': [
            {'label': 'red', 'shape_type': 'rectangle', 'points': [[3, 3], [29, 16]]}]}
        with open(f'{path}.json', 'w') as file:
            json.dump(content, file)

    root = folders(write)
    found = look(root)
    assert shares(found) == {'background': 84.25, 'red': 15.75, '(ignored)': 0.0}
    assert 'labels are outlines (labelme): 4 files were drawn into' in notes(found)
    np.testing.assert_array_equal(read_by_training(root, found)['gt_seg_map'], scene() == 1)


def test_a_target_that_is_of_the_source(folders):
    root = folders(grey)
    (root / 'lab/inner').mkdir()
    for target, text in (('img', "is the folder of the source's images"),
                         ('lab', "is the folder of the source's labels"),
                         ('lab/inner', "lies in the folder of the source's labels"),
                         ('.', r"holds the source's images.*alone, such as .*tgt")):
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
    found = look(root)
    assert found.target.names == ('0', '1', '2', '3') and all(path.endswith('.jpg') for path in found.target.paths)
    assert '4 files look like labels and are not taken for images' in notes(found)
    dataset = DATASETS.build(dict(type='UnlabelledImages', data_root=str(root / 'tgt'),
                                  leave_out=list(found.target.leave_out)))
    assert [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))] == list(found.target.paths)


def test_a_target_of_label_maps_alone_is_refused(folders):
    root = folders(grey)
    for n in range(4):
        (root / f'tgt/{n}.jpg').unlink()
        grey(scene(), f'{root}/tgt/{n}', n)
    with pytest.raises(UserError, match=r'all 4 files, such as 0\.png, have one channel.*look like labels'):
        look(root)


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
    found = look(root, classes=str(root / 'c.yaml'), skip_bad=True)
    assert found.source.names == ('0', '1', '3')
    assert '1 images left out: 0 without a label file, 1 faulty' in notes(found)


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
    found = look(folders(grey))
    args = argparse.Namespace(network='narrow', norm='sw', method='adaptsegnet', short_side=9999, batch_size=None,
                              iterations=100, seed=0)
    choice, reasons = choose(args, found)
    assert choice.short_side == 40 and choice.source_crop == (40, 56)
    why = '9999 was asked for; the images have 40, and are not scaled up'
    assert ('short side of images', '40 pixels', why) in reasons


def test_links_and_hidden_files_in_the_folders(folders):
    root = folders(grey)
    os.symlink('..', root / 'tgt/loop')
    os.symlink('.', root / 'lab/self')
    (root / 'tgt/loop').unlink()
    os.symlink('.', root / 'tgt/loop')
    (root / 'tgt/._0.jpg').write_bytes(b'junk')
    found = look(root)
    assert len(found.target.names) == 4 and '1 links to folders that were seen already' in notes(found)
    assert '1 hidden' in notes(found)


@pytest.mark.parametrize(('label', 'text'), [
    (lambda ids, path, n: Image.fromarray(ids).save(f'{path}.webp', quality=80), 'a WebP whose compression'),
    (lambda ids, path, n: Image.fromarray(ids).save(f'{path}.png', format='JPEG'), 'a JPEG whose compression'),
    (lambda ids, path, n: tifffile.imwrite(f'{path}.tif', np.dstack([ids] * 5), photometric='minisblack',
                                           planarconfig='contig'), '5 bands'),
    (lambda ids, path, n: np.save(f'{path}.npy', ids / 3), 'fractions')])
def test_labels_that_cannot_be_exact_are_refused(folders, label, text):
    root = folders(label)
    with pytest.raises((UserError, DatasetError), match=text):
        look(root)


def test_a_table_of_ids_and_colours_reads_a_black_file_of_colours(folders):
    """Colours that a table has for drawing are not ids of a black RGB picture."""
    root = folders(lambda ids, path, n: Image.fromarray(COLOURS[ids * (n != 0)]).save(f'{path}.png'))
    (root / 'c.yaml').write_text('classes:\n' + ''.join(
        f'  c{k}: {{ids: [{(k + 1) % 4}], color: {COLOURS[k].tolist()}}}\n' for k in range(4)))
    found = look(root, classes=str(root / 'c.yaml'))
    assert found.source.table.reads_colors and not found.table.reads_colors
    assert (read_by_training(root, found)['gt_seg_map'] == 0).all()  # black, and not the class with id 0
    write_class_table(found.table, root / 'again.yaml')
    assert look(root, classes=str(root / 'again.yaml')).source.table.reads_colors
