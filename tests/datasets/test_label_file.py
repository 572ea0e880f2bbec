"""What label files hold, and what is read of them: exact ids of every format, depth and kind; no smeared ones."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from sw_mmseg.datasets import DatasetError, LoadImage, LoadLabels, parse_class_table
from sw_mmseg.datasets.label_file import read_label

IDS = np.array([[0, 1, 2], [3, 200, 2]], np.uint8)
COLOURS = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)


def read(path):
    return read_label(str(path))


@pytest.mark.parametrize('ending', ['png', 'tif', 'bmp', 'pgm', 'npy', 'npz', 'webp', 'gif'])
def test_grey_ids_of_every_format(tmp_path, ending):
    path = tmp_path / f'a.{ending}'
    if ending == 'npy':
        np.save(path, IDS)
    elif ending == 'npz':
        np.savez_compressed(path, labels=IDS)
    else:
        Image.fromarray(IDS).save(path, **({'lossless': True} if ending == 'webp' else {}))
    label = read(path)
    np.testing.assert_array_equal(label.values, IDS)
    assert label.kind == ('grey' if ending in ('webp', 'gif') else 'ids')


def test_a_gif_means_its_greys_and_not_their_numbers(tmp_path):
    """Pillow numbers the greys that an image has anew: 0 and 2 would become 0 and 1."""
    ids = np.array([[0, 2], [2, 7]], np.uint8)
    Image.fromarray(ids).save(tmp_path / 'a.gif')
    with Image.open(tmp_path / 'a.gif') as picture:
        assert not np.array_equal(np.asarray(picture), ids)
    np.testing.assert_array_equal(read(tmp_path / 'a.gif').values, ids)
    Image.fromarray(COLOURS[IDS % 3]).quantize(8).save(tmp_path / 'b.gif')
    label = read(tmp_path / 'b.gif')
    assert label.kind == 'colours'
    np.testing.assert_array_equal(label.values, COLOURS[IDS % 3])


@pytest.mark.parametrize(
    'dtype',
    [np.int8, np.int16, np.int32, np.int64, np.uint16, np.uint32, np.uint64, np.float16, np.float32, np.float64, bool],
)
@pytest.mark.parametrize('ending', ['tif', 'npy'])
def test_every_number_type_of_ids(tmp_path, dtype, ending):
    signed = np.issubdtype(dtype, np.signedinteger) or np.issubdtype(dtype, np.floating)
    ids = np.array([[0, 1], [1, -1 if signed else 1]]) if dtype in (bool, np.int8) or signed else np.array([[0, 300]])
    if ending == 'tif':
        tifffile.imwrite(tmp_path / 'a.tif', ids.astype(dtype))
    else:
        np.save(tmp_path / 'a.npy', ids.astype(dtype))
    np.testing.assert_array_equal(read(tmp_path / f'a.{ending}').values, ids)


def grey_png(values, bits):
    """A PNG of so many bits a grey pixel, as its standard says; releases of Pillow differ in what they write."""

    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    height, width = values.shape
    spread = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(spread.reshape(height, -1).astype(np.uint8), axis=1)
    lines = b''.join(b'\0' + row.tobytes() for row in rows)
    head = struct.pack('>IIBBBBB', width, height, bits, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        [chunk(b'IHDR', head), chunk(b'IDAT', zlib.compress(lines)), chunk(b'IEND', b'')]
    )


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_few_bits_are_not_spread(tmp_path, bits):
    ids = (np.arange(16) % 2**bits).astype(np.uint8).reshape(4, 4)
    (tmp_path / 'a.png').write_bytes(grey_png(ids, bits))
    assert (tmp_path / 'a.png').read_bytes()[24] == bits
    np.testing.assert_array_equal(read(tmp_path / 'a.png').values, ids)
    (tmp_path / 'a.pgm').write_bytes(b'P5 4 4 15\n' + ids.tobytes())
    np.testing.assert_array_equal(read(tmp_path / 'a.pgm').values, ids)


def test_sixteen_bits_in_colours_are_class_and_object(tmp_path):
    classes, objects = IDS.astype(np.uint16), IDS.astype(np.uint16) * 256 + 3
    cv2.imwrite(str(tmp_path / 'a.png'), np.dstack([classes * 0, objects, classes]))  # OpenCV's order: blue first
    label = read(tmp_path / 'a.png')
    np.testing.assert_array_equal(label.values, IDS)
    assert label.kind == 'ids' and 'first band' in label.notes[0]
    colours = COLOURS[IDS % 3].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / 'b.png'), colours[..., ::-1])
    np.testing.assert_array_equal(read(tmp_path / 'b.png').values, COLOURS[IDS % 3])
    cv2.imwrite(str(tmp_path / 'c.png'), np.dstack([classes, objects, classes]))
    with pytest.raises(DatasetError, match=r'c\.png holds colours of 16 bits that are neither'):
        read(tmp_path / 'c.png')
    cv2.imwrite(str(tmp_path / 'd.png'), np.repeat(classes[..., None] + 300, 3, axis=2))
    np.testing.assert_array_equal(read(tmp_path / 'd.png').values, classes + 300)


@pytest.mark.parametrize(
    ('name', 'options'),
    [('a.jpg', {}), ('a.webp', {'quality': 90}), ('a.tif', {'compression': 'jpeg'}), ('a.jp2', {}), ('a.png', 'JPEG')],
)
def test_what_smears_ids_is_refused(tmp_path, name, options):
    picture = Image.fromarray(COLOURS[np.random.default_rng(0).integers(0, 3, (32, 32))])
    picture.save(tmp_path / name, **(options if isinstance(options, dict) else {'format': options}))
    with pytest.raises(DatasetError, match=rf'{name} is a .* changes ids at every edge.*PNG, TIFF or npy'):
        read(tmp_path / name)


def test_transparency_is_left_out_where_it_hides_nothing(tmp_path):
    colours = COLOURS[IDS % 3].copy()
    full = np.full((2, 3), 255, np.uint8)
    Image.fromarray(np.dstack([colours, full])).save(tmp_path / 'opaque.png')
    np.testing.assert_array_equal(read(tmp_path / 'opaque.png').values, colours)
    alpha = np.where(IDS % 3 == 0, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / 'holes.png')
    label = read(tmp_path / 'holes.png')
    np.testing.assert_array_equal(label.values, colours)
    assert 'transparent' in label.notes[0]
    for name, change in (('partly', np.where(alpha > 0, 100, 255)), ('alone', np.where(alpha > 0, 255, 0))):
        base = colours if name == 'partly' else colours * 0
        Image.fromarray(np.dstack([base, change.astype(np.uint8)])).save(tmp_path / f'{name}.png')
    with pytest.raises(DatasetError, match='partly transparent'):
        read(tmp_path / 'partly.png')
    with pytest.raises(DatasetError, match='transparency alone.*-alpha extract'):
        read(tmp_path / 'alone.png')


@pytest.mark.parametrize(
    ('write', 'text'),
    [
        (lambda p: np.save(f'{p}.npy', np.full((2, 2), 0.5)), 'fractions, such as 0.5'),
        (lambda p: np.save(f'{p}.npy', np.zeros((2, 3, 4, 5))), r'shape \(2, 3, 4, 5\)'),
        (lambda p: np.save(f'{p}.npy', np.array([{}])), 'cannot be read'),
        (lambda p: np.savez(f'{p}.npz', a=IDS, b=IDS), '2 arrays'),
        (
            lambda p: tifffile.imwrite(
                f'{p}.tif', np.zeros((20, 30, 5), np.uint8), planarconfig='contig', photometric='minisblack'
            ),
            '5 bands.*gdal_translate -b 1',
        ),
        (lambda p: tifffile.imwrite(f'{p}.tif', np.zeros((3, 20, 30), np.uint8), photometric='minisblack'), '3 pages'),
        (lambda p: open(f'{p}.png', 'wb').close(), 'the file is empty'),
    ],
)
def test_what_holds_no_ids_is_named_as_what_it_is(tmp_path, write, text):
    write(tmp_path / 'a')
    path = next(tmp_path.iterdir())
    with pytest.raises(DatasetError, match=rf'label file .*{path.name} .*{text}'):
        read(path)


def test_what_a_tiff_declares_to_be_no_data_is_void(tmp_path):
    ids = np.array([[0, 1], [65535, 2]], np.uint16)
    tifffile.imwrite(tmp_path / 'a.tif', ids, extratags=[(42113, 's', 0, '65535', True)])
    np.testing.assert_array_equal(read(tmp_path / 'a.tif').values, [[0, 1], [-1, 2]])
    tifffile.imwrite(tmp_path / 'b.tif', np.array([[0, np.nan]], np.float32))
    label = read(tmp_path / 'b.tif')
    np.testing.assert_array_equal(label.values, [[0, -1]])
    assert 'NaN' in label.notes[0]
    tifffile.imwrite(tmp_path / 'c.tif', ids % 3, extratags=[(42113, 's', 0, '0', True)])
    np.testing.assert_array_equal(read(tmp_path / 'c.tif').values, ids % 3)  # 0 is a class, whatever is declared


def test_minus_one_is_no_class_unless_it_is_named():
    ids = np.array([[-1, 0, 5, 255]])
    table = parse_class_table({'classes': {'a': 0, 'b': 5}})
    np.testing.assert_array_equal(table.map(ids, 'x'), [[255, 0, 1, 255]])
    table = parse_class_table({'classes': {'a': 0, 'b': [5, -1]}, 'ignore': [-9999]})
    np.testing.assert_array_equal(table.map(np.array([[-1, 0, -9999]]), 'x'), [[1, 0, 255]])
    table = parse_class_table({'classes': {'a': 0, 'b': 5}, 'unknown': 'ignore'})
    np.testing.assert_array_equal(table.map(np.array([[7, 0, 100000, -5]]), 'x'), [[255, 0, 255, 255]])


def test_an_rgb_picture_of_one_grey_follows_what_the_table_has(tmp_path):
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / 'black.png')

    def classes(rows):
        return parse_class_table({'classes': rows}).read(str(tmp_path / 'black.png'))[0, 0]

    assert classes({'a': 3, 'b': 0}) == 1
    assert classes({'a': {'color': [9, 9, 9]}, 'b': {'color': [0, 0, 0]}}) == 1
    assert classes({'a': {'ids': 5, 'color': [9, 9, 9]}, 'b': {'ids': 6, 'color': [0, 0, 0]}}) == 1
    assert classes({'a': {'ids': 1, 'color': [9, 9, 9]}, 'b': {'ids': 0, 'color': [0, 0, 0]}}) == 1
    with pytest.raises(DatasetError, match='one class as ids and another as'):
        classes({'a': {'ids': 0, 'color': [9, 9, 9]}, 'b': {'ids': 1, 'color': [0, 0, 0]}})


@pytest.mark.parametrize('turn', range(2, 9))
def test_labels_follow_their_own_mark_or_that_of_their_image(tmp_path, turn):
    image = np.arange(24, dtype=np.uint8).reshape(4, 6)
    mark = Image.Exif()
    mark[0x112] = turn
    Image.fromarray(image).save(tmp_path / 'image.png', exif=mark)
    Image.fromarray(image).save(tmp_path / 'marked.png', exif=mark)
    Image.fromarray(image).save(tmp_path / 'stored.png')
    shown = LoadImage()({'img_path': str(tmp_path / 'image.png')})['img'][..., 0]
    Image.fromarray(shown).save(tmp_path / 'shown.png')
    table = parse_class_table({'classes': {f'c{i}': i for i in range(24)}})

    def load(name, frame=None):
        sample = LoadImage()(
            {
                'img_path': str(tmp_path / 'image.png'),
                'label_frame': frame,
                'label_ids': table,
                'seg_map_path': str(tmp_path / f'{name}.png'),
                'seg_fields': [],
            }
        )
        return LoadLabels()(sample)['gt_seg_map']

    np.testing.assert_array_equal(load('marked'), shown)
    np.testing.assert_array_equal(load('stored', 'stored'), shown)
    np.testing.assert_array_equal(load('shown', 'shown'), shown)
    if turn > 4:  # sizes tell
        np.testing.assert_array_equal(load('stored'), shown)
        np.testing.assert_array_equal(load('shown'), shown)
    else:
        with pytest.raises(DatasetError, match=r'image\.png is turned .*label_frame="shown"'):
            load('stored')
