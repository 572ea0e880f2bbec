"""Labels in every form, through the check of tools/adapt.py: exact shares of classes, what is said, or one error."""

import os

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from sw_mmseg.datasets import DatasetError, write_class_table
from sw_mmseg.running.errors import UserError
from tests.helpers.strange_folders import COLOURS, SHARES, classes, look, notes, read_by_training, scene, shares


def test_synthias_sixteen_bits(folders):
    def write(ids, path, n):
        cv2.imwrite(f'{path}.png', np.dstack([ids * 0, ids * 0 + n, ids]).astype(np.uint16))

    root = folders(write)
    checked = look(root)
    assert shares(checked) == classes(SHARES) and 'class ids are taken from the first band' in notes(checked)
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene())


def test_palettes_that_differ(folders):
    def write(ids, path, n):
        order = np.roll(np.arange(4), n)  # index -> class
        picture = Image.fromarray(np.argsort(order).astype(np.uint8)[ids])
        picture.putpalette(COLOURS[order].ravel().tolist())
        picture.save(f'{path}.png')

    root = folders(write)
    with pytest.raises(
        UserError,
        match=r'colour pictures \(palettes of the label files differ: index 0 is .*colours '
        r'are taken for classes\): \(0, 0, 0\) \(67.2 %\)',
    ):
        look(root)
    checked = look(root, classes=str(root / 'out/check/colours.yaml'))
    named = {f'colour {i}': share for i, share in enumerate(SHARES.values(), 1)}  # the commonest first
    assert shares(checked) == classes(named, '{}')
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene())


def test_greys_numbered_anew_in_every_file(folders):
    """GIF: an image that lacks an id has others for the rest."""
    root = folders(lambda ids, path, n: Image.fromarray(ids * (ids != n % 3)).save(f'{path}.gif'))
    checked = look(root)
    lost = (1, 2)  # n = 0, 3 lose none, n = 1 loses class 1, n = 2 class 2
    expected = {0: 67.25 + sum(SHARES[k] / 4 for k in lost), **{k: SHARES[k] * 0.75 for k in lost}, 3: 5.0}
    assert shares(checked) == classes(expected)


def test_binary_masks_are_two_classes(folders):
    root = folders(lambda ids, path, n: Image.fromarray((ids > 0).astype(np.uint8) * 255).save(f'{path}.png'))
    checked = look(root)
    assert shares(checked) == classes({0: 67.25, 255: 32.75}) and 'the labels hold 0, 255 alone' in notes(checked)
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene() > 0)
    (root / 'c.yaml').write_text('classes: {a: 0, b: 7}\nignore: [255]')  # unless a table says otherwise
    assert shares(look(root, classes=str(root / 'c.yaml'))) == {'a': 100.0, 'b': 0.0, '(ignored)': 32.75}


@pytest.mark.parametrize('levels', [(0, 127, 255), (0, 85, 170, 255)])
def test_masks_of_several_greys(folders, levels):
    root = folders(
        lambda ids, path, n: Image.fromarray(np.array(levels, np.uint8)[ids.clip(0, len(levels) - 1)]).save(
            f'{path}.png'
        )
    )
    merged = {**SHARES, 2: 17.0} if len(levels) == 3 else SHARES
    assert shares(look(root)) == classes({level: merged[k] for k, level in enumerate(levels)})


def test_255_beside_other_ids_is_no_class(folders):
    def write(ids, path, n):
        Image.fromarray(np.where(ids == 3, 255, ids).astype(np.uint8)).save(f'{path}.png')

    expected = {f'class {k}': pytest.approx(SHARES[k] / 0.95) for k in range(3)}
    assert shares(look(folders(write))) == {**expected, '(ignored)': 5.0}


def test_soft_borders_of_binary_masks_are_ignored(folders):
    def write(ids, path, n):
        Image.fromarray(cv2.GaussianBlur((ids > 0).astype(np.uint8) * 255, (3, 3), 0)).save(f'{path}.png')

    checked = look(folders(write))
    assert 'at soft borders alone' in notes(checked) and checked.table.ignore_unknown
    assert set(shares(checked)) == {'class 0', 'class 255', '(ignored)'} and 5 < shares(checked)['(ignored)'] < 20


def test_soft_borders_of_colours_are_proposed_as_ignored(folders):
    root = folders(lambda ids, path, n: Image.fromarray(cv2.GaussianBlur(COLOURS[ids], (3, 3), 0)).save(f'{path}.png'))
    with pytest.raises(UserError, match=r'colours between them lie on soft borders alone .*`unknown: ignore`'):
        look(root)
    text = (root / 'out/check/colours.yaml').read_text()
    assert text.count('color:') == 4 and text.rstrip().endswith('unknown: ignore')
    checked = look(root, classes=str(root / 'out/check/colours.yaml'))
    labels = read_by_training(root, checked)['gt_seg_map']
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
    checked = look(root, classes=str(root / 'out/check/colours.yaml'))
    assert shares(checked)['colour 2'] == pytest.approx(15.75 * 0.75)


def test_one_class_alone_comes_with_the_table_to_write(folders):
    root = folders(lambda ids, path, n: Image.fromarray(np.where(ids > 0, 7, 255).astype(np.uint8)).save(f'{path}.png'))
    with pytest.raises(UserError, match=r'one class alone, id 7, and 255, .*--classes .*classes\.yaml'):
        look(root)
    checked = look(root, classes=str(root / 'out/check/classes.yaml'))
    assert shares(checked) == {'background': 67.25, 'class 7': 32.75, '(ignored)': 0.0}


def test_minus_one_is_void(folders):
    root = folders(lambda ids, path, n: tifffile.imwrite(f'{path}.tif', ids.astype(np.int16) - 1))
    checked = look(root)
    assert shares(checked) == {
        'class 0': pytest.approx(1575 / 32.75),
        'class 1': pytest.approx(1200 / 32.75),
        'class 2': pytest.approx(500 / 32.75),
        '(ignored)': 67.25,
    }
    assert checked.table.ignore == (255, -1)


@pytest.mark.parametrize(
    'write',
    [
        lambda ids, path, n: np.save(f'{path}.npy', ids.astype(np.int64)),
        lambda ids, path, n: tifffile.imwrite(f'{path}.tif', ids.astype(np.int64)),
        lambda ids, path, n: tifffile.imwrite(f'{path}.tif', ids.astype(np.float64)),
        lambda ids, path, n: Image.fromarray(np.dstack([ids] * 3)).save(f'{path}.webp', lossless=True),
        lambda ids, path, n: Image.fromarray(ids).save(f'{path}.png', bits=2),
        lambda ids, path, n: Image.fromarray(ids).save(f'{os.path.dirname(path)}/label_{n}.png'),
        lambda ids, path, n: Image.fromarray(ids).save(f'{os.path.dirname(path)}/000{n}_mask.png'),
    ],
)
def test_forms_that_are_read_as_any_other(folders, write):
    root = folders(write)
    checked = look(root)
    assert shares(checked) == classes(SHARES)
    np.testing.assert_array_equal(read_by_training(root, checked)['gt_seg_map'], scene())


@pytest.mark.parametrize(
    ('label', 'text'),
    [
        (lambda ids, path, n: Image.fromarray(ids).save(f'{path}.webp', quality=80), 'a WebP whose compression'),
        (lambda ids, path, n: Image.fromarray(ids).save(f'{path}.png', format='JPEG'), 'a JPEG whose compression'),
        (
            lambda ids, path, n: tifffile.imwrite(
                f'{path}.tif', np.dstack([ids] * 5), photometric='minisblack', planarconfig='contig'
            ),
            '5 bands',
        ),
        (lambda ids, path, n: np.save(f'{path}.npy', ids / 3), 'fractions'),
    ],
)
def test_labels_that_cannot_be_exact_are_refused(folders, label, text):
    root = folders(label)
    with pytest.raises((UserError, DatasetError), match=text):
        look(root)


def test_a_table_of_ids_and_colours_reads_a_black_file_of_colours(folders):
    """Colours that a table has for drawing are not ids of a black RGB picture."""
    root = folders(lambda ids, path, n: Image.fromarray(COLOURS[ids * (n != 0)]).save(f'{path}.png'))
    (root / 'c.yaml').write_text(
        'classes:\n' + ''.join(f'  c{k}: {{ids: [{(k + 1) % 4}], color: {COLOURS[k].tolist()}}}\n' for k in range(4))
    )
    checked = look(root, classes=str(root / 'c.yaml'))
    assert checked.source.table.reads_colors and not checked.table.reads_colors
    assert (read_by_training(root, checked)['gt_seg_map'] == 0).all()  # black, and not the class with id 0
    write_class_table(checked.table, root / 'again.yaml')
    assert look(root, classes=str(root / 'again.yaml')).source.table.reads_colors
