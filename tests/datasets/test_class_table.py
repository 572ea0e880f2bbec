"""A user's class table: its YAML, what it makes of ids, palettes and colours, and what it refuses."""

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import DatasetError, parse_class_table, read_class_table, table_of_ids, write_class_table
from sw_mmseg.datasets.class_parsing import distinct_colors
from sw_mmseg.datasets.label_file import read_label

YAML = """
classes:
  road: 10
  building: [20, 21]
  plants: {ids: [300], color: [1, 2, 3]}
ignore: [0, [9, 9, 9]]
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / 'classes.yaml').write_text(YAML)
    return read_class_table(tmp_path / 'classes.yaml')


def test_ids_become_numbers_in_the_order_of_the_table(table):
    assert table.names == ('road', 'building', 'plants') and table.palette[2] == [1, 2, 3]
    numbers = table.map(np.array([[10, 20, 21, 300], [0, 255, 10, 20]]), 'x.png')
    assert numbers.dtype == np.uint8
    np.testing.assert_array_equal(numbers, [[0, 1, 1, 2], [255, 255, 0, 1]])


def test_unknown_ids_are_named_with_their_shares(table):
    with pytest.raises(DatasetError, match=r'x\.png holds ids .*has not: 99 \(50 %\), 70000 \(25 %\)'):
        table.map(np.array([[99, 99, 70000, 10]]), 'x.png')


def test_colours_are_looked_up_where_they_are_given(table):
    np.testing.assert_array_equal(table.map(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8), 'x.png'), [[2, 255]])
    with pytest.raises(DatasetError, match=r'holds colours .*\(1, 2, 4\) \(100 %\)'):
        table.map(np.array([[[1, 2, 4]]], np.uint8), 'x.png')


@pytest.mark.parametrize('mode', ['L', 'P', 'I;16', 'I', 'RGB of grey', '1'])
def test_every_kind_of_id_file_is_read(tmp_path, mode):
    ids = np.array([[0, 1], [1, 0]]) if mode == '1' else np.array([[0, 7], [200, 7]])
    if mode.startswith('I'):
        ids = ids * 100
    if mode == '1':
        picture = Image.fromarray(ids.astype(bool))
    elif mode == 'RGB of grey':
        picture = Image.fromarray(np.repeat(ids[..., None], 3, axis=2).astype(np.uint8))
    else:
        kinds = {'I;16': np.uint16, 'I': np.int32}
        picture = Image.fromarray(ids.astype(kinds.get(mode, np.uint8)))
    if mode == 'P':
        picture.putpalette([(37 * i) % 256 for i in range(768)])
    path = tmp_path / ('label.tif' if mode == 'I' else 'label.png')
    picture.save(path)
    np.testing.assert_array_equal(read_label(str(path)).values, ids)


def test_a_paletted_file_gives_colours_where_the_table_knows_nothing_else(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / 'label.png')
    table = parse_class_table({'classes': {'a': {'color': [40, 50, 60]}, 'b': {'color': [10, 20, 30]}}})
    np.testing.assert_array_equal(table.read(str(tmp_path / 'label.png')), [[1, 0]])


def test_a_table_is_read_back_as_it_was_written(table, tmp_path):
    odd = parse_class_table({'classes': {'yes': 1, 'traffic light: red': 2, '3': 4, 'class': {'ids': 5}}})
    for original in (table, odd):
        write_class_table(original, tmp_path / 'again.yaml')
        again = read_class_table(tmp_path / 'again.yaml')
        assert (again.names, again.palette, set(again.ignore)) == (
            original.names,
            original.palette,
            set(original.ignore),
        )
        assert [c.ids for c in again.classes] == [c.ids for c in original.classes]
        assert parse_class_table(again.to_dict()) == again
    assert not list(tmp_path.glob('.*.part'))


def test_found_ids_become_classes():
    table = table_of_ids([30, 10, 255, 2])
    assert [(c.name, c.ids) for c in table.classes] == [('class 2', (2,)), ('class 10', (10,)), ('class 30', (30,))]
    assert table.ignore == (255,)
    with pytest.raises(DatasetError, match='300 different ids'):
        table_of_ids(list(range(1000, 1300)))


def test_colours_differ_from_each_other_and_from_black():
    colors = distinct_colors(150, {(230, 57, 57)})
    assert len(set(colors)) == 150 and (230, 57, 57) not in colors
    assert min(max(color) for color in colors) > 100


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ('classes: [', 'cannot be read as YAML'),
        ('road: 10', 'must have `classes:`'),
        ('classes: {road: 10}', '1 classes; 2 to'),
        ('classes: {road: 10, sky: 10}', '10 belongs to road and to sky'),
        ('classes: {road: 10, sky: 255}\nignore: [255]', '255 belongs to sky and to ignore'),
        ('classes:\n  road: 10\n  sky: 2\n  road: 3', r"line 4: 'road' is named a second time \(first in line 2\)"),
        ('classes: {road: 1, sky: 2}\nclasses: {a: 1, b: 2}', "line 2: 'classes' is named a second time"),
        ('classes: [{name: a, ids: 1}, {name: a, ids: 2}]', r'two classes are called a; several ids make one'),
        ('classes: {road: 010, sky: 2}', "line 1: '010' is a number that YAML reads as 8; write it as 10 or 8"),
        ('classes: {road: 1:30, sky: 2}', "'1:30' is a number that YAML reads as 90"),
        ('classes: {road: 1_0, sky: 2}', "'1_0' is a number that YAML reads as 10"),
        ('classes: road: 10 sky: 2', 'line 1: .*Have line breaks been lost'),
        ('classes:\n  road:10\n  sky:2', 'with a blank behind the colon'),
        ('classes:\n\troad: 10', 'not by tabs'),
        ('classes: {road: yes, sky: 2}', "class road: 'yes' is no id"),
        ('classes: {road: "10", sky: 2}', "class road: '10' is no id; ids are whole numbers, written without quotes"),
        ('classes: {[1]: 10, sky: 2}', 'line 1: a name is a text'),
        ('classes: {road: 1}', 'give what is not road a class, too'),
        ('classes: {road: 1, sky: 2}\nunknown: maybe', "unknown: 'maybe'; valid are error, ignore"),
        ('classes: {road: ten, sky: 2}', "class road: 'ten' is no id"),
        ('classes: {road: {id: 10}, sky: 2}', "class road: unknown entry 'id'"),
        ('classes: {road: {color: [1, 2]}, sky: 2}', r'class road: \[1, 2\] is no colour'),
        ('classes: {road: {}, sky: 2}', 'class road has neither ids nor a color'),
        ('classes: {road: 1, sky: 2}\nignored: 0', "unknown entry 'ignored'"),
    ],
)
def test_a_mistake_in_a_table_is_named(tmp_path, content, text):
    (tmp_path / 'c.yaml').write_text(content)
    with pytest.raises(DatasetError, match=text):
        read_class_table(tmp_path / 'c.yaml')


@pytest.mark.parametrize(
    'text',
    [
        'classes: {no: 10, on: 2, 3: 4, 2020-01-01: 5, null: 6, "": 7}',
        '\ufeffclasses: {a: 1, b: 2}',
        'classes: [yes, no]',
        '{"classes": {"a": 0x0a, "b": 2}}',
    ],
)
def test_names_are_texts_however_yaml_would_read_them(tmp_path, text):
    (tmp_path / 'c.yaml').write_text(text.replace(', "": 7', ''), encoding='utf-8')
    table = read_class_table(tmp_path / 'c.yaml')
    expected = {
        'classes: {no': [('no', 10), ('on', 2), ('3', 4), ('2020-01-01', 5), ('null', 6)],
        '\ufeffclasses:': [('a', 1), ('b', 2)],
        'classes: [yes': [('yes', 0), ('no', 1)],
        '{"classes": {': [('a', 10), ('b', 2)],
    }
    (rows,) = [rows for start, rows in expected.items() if text.startswith(start)]
    assert [(c.name, *c.ids) for c in table.classes] == rows


def test_a_table_that_ignores_what_it_does_not_name_is_read_back(tmp_path):
    table = parse_class_table({'classes': {'a': 1, 'b': 2}, 'unknown': 'ignore'})
    write_class_table(table, tmp_path / 'c.yaml', ['a comment'])
    assert read_class_table(tmp_path / 'c.yaml').ignore_unknown and parse_class_table(table.to_dict()).ignore_unknown
    assert '# a comment' in (tmp_path / 'c.yaml').read_text()
    assert 'unknown' not in parse_class_table({'classes': {'a': 1, 'b': 2}}).to_dict()


def test_a_table_without_255_and_minus_one():
    assert table_of_ids([0, 255], keep_255=True).ignore == () and table_of_ids([0, 1, -1]).ignore == (255, -1)
    with pytest.raises(DatasetError, match=r'negative id -9999.*"ignore: \[-9999\]"'):
        table_of_ids([-9999, 0, 1])


def test_a_table_for_colour_files_has_no_ids():
    table = parse_class_table({'classes': {'a': {'ids': 0, 'color': [9, 9, 9]}, 'b': {'ids': 1, 'color': [0, 0, 0]}}})
    assert table.by_colors().reads_colors and table.by_colors().palette == table.palette
    np.testing.assert_array_equal(table.by_colors().map(np.zeros((1, 1, 3), np.uint8), 'x'), [[1]])
    with pytest.raises(DatasetError, match='has none for b'):
        parse_class_table({'classes': {'a': {'color': [9, 9, 9]}, 'b': 1}}).by_colors()
