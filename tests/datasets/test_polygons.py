"""Outlines of labelme, COCO and YOLO, drawn: exact label files, and what is refused."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.polygons import draw_polygons, polygon_format

SIZE = (20, 12)  # width, height


@pytest.fixture
def images(tmp_path):
    for name in ('a', 'sub/b'):
        path = tmp_path / f'images/{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE).save(path)
    return tmp_path / 'images'


def drawn(images, labels):
    table, _, notes = draw_polygons(str(images), str(labels), images.parent / 'out')
    files = sorted((images.parent / 'out').rglob('*.png'))
    return table, {str(p.relative_to(images.parent / 'out'))[:-4]: np.asarray(Image.open(p)) for p in files}, notes


def rectangle(left, top, right, bottom):
    """A mask (H, W) of the pixels between corners, which are included."""
    mask = np.zeros(SIZE[::-1], bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def corners(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def labelme(*shapes, **more):
    return {
        'version': '5.0',
        'imageHeight': SIZE[1],
        'imageWidth': SIZE[0],
        **more,
        'shapes': [
            {'label': label, 'shape_type': kind, 'points': points, **extra} for label, kind, points, extra in shapes
        ],
    }


def test_labelme(images, tmp_path):
    part = io.BytesIO()
    Image.fromarray(np.array([[True, False], [True, True]])).save(part, 'PNG')
    mask = {'mask': base64.b64encode(part.getvalue()).decode()}
    write(
        tmp_path / 'l/a.json',
        labelme(
            ('road', 'polygon', corners(2, 3, 9, 8), {}),
            ('car', 'rectangle', [[5, 5], [7, 6]], {}),
            ('__ignore__', 'polygon', corners(0, 0, 1, 1), {}),
            ('line', 'line', [[0, 0], [5, 5]], {}),
            ('tree', 'mask', [[15, 4], [16, 5]], mask),
        ),
    )
    write(tmp_path / 'l/sub/b.json', labelme(('car', 'circle', [[10, 5], [13, 5]], {}), imageHeight=None))
    assert polygon_format(str(images), str(tmp_path / 'l')) == 'labelme'
    table, files, notes = drawn(images, tmp_path / 'l')
    assert [(c.name, *c.ids) for c in table.classes] == [('background', 0), ('car', 1), ('road', 2), ('tree', 3)]
    expected = np.zeros(SIZE[::-1], np.uint8)
    expected[rectangle(2, 3, 9, 8)] = 2
    expected[rectangle(5, 5, 7, 6)] = 1
    expected[rectangle(0, 0, 1, 1)] = 255
    expected[4:6, 15] = expected[5, 16] = 3
    np.testing.assert_array_equal(files['a'], expected)
    rows, columns = np.indices(SIZE[::-1])
    distance = np.hypot(rows - 5, columns - 10)
    assert (files['sub/b'][distance <= 2.5] == 1).all() and not files['sub/b'][distance > 3.7].any()
    assert any('1 shapes of the kind line have no area' in note for note in notes)


def test_names_that_are_listed_and_that_outlines_have_are_told_apart(images, tmp_path):
    points = ' '.join(f'{x / SIZE[0]} {y / SIZE[1]}' for x, y in corners(2, 3, 9, 8))
    write(tmp_path / 'l/a.txt', f'1 {points}\n')
    write(tmp_path / 'data.yaml', 'names: [road, car]\n')
    table, names, _ = draw_polygons(str(images), str(tmp_path / 'l'), tmp_path / 'out')
    assert table.names == ('background', 'road', 'car') and names == ['car']


@pytest.mark.parametrize('counts', ['list', 'compressed'])
@pytest.mark.parametrize('as_folder', [True, False])
def test_coco(images, tmp_path, counts, as_folder):
    mask = rectangle(12, 2, 15, 9)
    runs = np.diff(np.flatnonzero(np.diff(np.r_[-1, mask.T.ravel().astype(int), -1]))).tolist()
    runs = {'size': list(SIZE[::-1]), 'counts': runs}
    if counts == 'compressed':
        coco_mask = pytest.importorskip('pycocotools.mask')
        encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        runs = {'size': list(SIZE[::-1]), 'counts': encoded['counts'].decode()}
    content = {
        'images': [
            {'id': 5, 'file_name': 'a.png', 'width': SIZE[0], 'height': SIZE[1]},
            {'id': 6, 'file_name': 'elsewhere/b.png', 'width': SIZE[0], 'height': SIZE[1]},
            {'id': 7, 'file_name': 'lost.png', 'width': 1, 'height': 1},
        ],
        'categories': [{'id': 3, 'name': 'car'}, {'id': 90, 'name': 'person'}],
        'annotations': [
            {'id': 1, 'image_id': 5, 'category_id': 90, 'area': 6, 'segmentation': [sum(corners(3, 4, 4, 6), [])]},
            {'id': 2, 'image_id': 5, 'category_id': 3, 'area': 60, 'segmentation': [sum(corners(2, 3, 9, 8), [])]},
            {'id': 3, 'image_id': 5, 'category_id': 3, 'iscrowd': 1, 'area': 32, 'segmentation': runs},
        ],
    }
    path = tmp_path / ('l/instances.json' if as_folder else 'instances.json')
    write(path, content)
    table, files, _ = drawn(images, path.parent if as_folder else path)
    assert [(c.name, *c.ids) for c in table.classes] == [('background', 0), ('car', 1), ('person', 2)]
    expected = np.zeros(SIZE[::-1], np.uint8)
    expected[rectangle(2, 3, 9, 8) | mask] = 1
    expected[rectangle(3, 4, 4, 6)] = 2  # the smaller object, though it comes first
    np.testing.assert_array_equal(files['a'], expected)
    np.testing.assert_array_equal(files['sub/b'], expected * 0)  # an image in which nothing was marked


def test_yolo(images, tmp_path):
    points = ' '.join(f'{x / SIZE[0]} {y / SIZE[1]}' for x, y in corners(2, 3, 9, 8))
    write(tmp_path / 'l/a.txt', f'1 {points}\n')
    write(tmp_path / 'l/sub/b.txt', '')
    table, files, _ = drawn(images, tmp_path / 'l')
    assert table.names == ('background', 'class 1')
    np.testing.assert_array_equal(files['a'], rectangle(2, 3, 9, 8))
    assert not files['sub/b'].any()
    write(tmp_path / 'data.yaml', 'names: [car, road]\n')
    table, files, _ = drawn(images, tmp_path / 'l')
    assert table.names == ('background', 'car', 'road')
    np.testing.assert_array_equal(files['a'], 2 * rectangle(2, 3, 9, 8))
    write(tmp_path / 'data.yaml', 'names: {first: car}\n')
    with pytest.raises(DatasetError, match='data.yaml: names must have numbers'):
        drawn(images, tmp_path / 'l')


def test_outlines_beside_their_images(images):
    write(images / 'a.json', labelme(('car', 'polygon', corners(2, 3, 9, 8), {})))
    write(images / 'sub/b.json', labelme())
    assert polygon_format(str(images), str(images)) == 'labelme'
    _, files, _ = drawn(images, images)
    np.testing.assert_array_equal(files['a'], rectangle(2, 3, 9, 8))


def test_label_files_go_before_outlines(images, tmp_path):
    write(tmp_path / 'l/a.json', labelme(('car', 'polygon', corners(2, 3, 9, 8), {})))
    Image.new('L', SIZE).save(tmp_path / 'l/a.png')
    assert polygon_format(str(images), str(tmp_path / 'l')) is None
    assert polygon_format(str(images), str(images)) is None


@pytest.mark.parametrize(
    ('name', 'content', 'text'),
    [
        ('a.txt', '0 0.5 0.5 0.1 0.1', 'is a box .*outlines'),
        ('a.txt', '0 3 4 5 6 7 8', 'between 0 and 1'),
        ('a.txt', 'car 0.1 0.2', 'as YOLO writes outlines'),
        ('a.json', '{"shapes": [', 'is no JSON'),
        ('a.json', '{"objects": []}', 'of a kind that is not read .it has objects'),
        ('z.json', labelme(('car', 'polygon', corners(2, 3, 9, 8), {})), 'no outlines in .* belong to an image'),
        ('a.json', labelme(), 'no outline has a name'),
        ('a.json', {'shapes': [{'points': 1}]}, 'cannot be read as'),
        (
            'a.json',
            {
                'images': [{'id': 1, 'file_name': 'a.png', 'width': 4, 'height': 4}],
                'categories': [{'id': 1, 'name': 'car'}],
                'annotations': [{'id': 9, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 1, 1]}],
            },
            'object 9 .* has a box and no outline',
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(images, tmp_path, name, content, text):
    write(tmp_path / 'l' / name, content)
    with pytest.raises(DatasetError, match=text):
        drawn(images, tmp_path / 'l')
