"""Outlines in any place of tools/adapt.py: their classes are found by name, whatever the ids of a class table are."""

import argparse
import json

import numpy as np
import pytest

from sw_mmseg.datasets import parse_class_table
from sw_mmseg.datasets.polygons import drawing
from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.check_target import check_target
from sw_mmseg.own_images.config import source_of
from sw_mmseg.own_images.folders import labelled_picture
from sw_mmseg.own_images.looking import FEW
from sw_mmseg.running.errors import UserError
from tests.helpers.own_folders import save
from tests.helpers.strange_folders import SIZE, grey, notes, photograph, scene

NAMES = {1: 'person', 2: 'car', 3: 'bus'}  # of what `scene` shows; by the alphabet their order is another
CORNERS = {1: [[3, 3], [29, 16]], 2: [[30, 20], [45, 37]], 3: [[48, 2], [57, 13]]}
TABLE = 'classes:\n  background: 0\n  person: 1\n  car: 2\n  bus: 3\n'


def labelme(ids, path, n, names=NAMES):
    """What `scene` shows, as labelme's outlines."""
    shapes = [{'label': names[k], 'shape_type': 'rectangle', 'points': CORNERS[k]} for k in names]
    with open(f'{path}.json', 'w') as file:
        json.dump({'imageHeight': SIZE[1], 'imageWidth': SIZE[0], 'shapes': shapes}, file)


@pytest.fixture
def root(folders):
    """Source with label files (`lab`), or with outlines (`json`); and other images with outlines (`val`)."""
    root = folders(grey)
    for folder, first in (('json', 0), ('val/json', 4)):
        (root / folder).mkdir(parents=True)
        for n in range(first, first + 4):
            labelme(scene(), f'{root}/{folder}/{n}', n)
    for n in range(4, 8):
        save(root / f'val/img/{n}.png', photograph(n))
    (root / 'table.yaml').write_text(TABLE)
    return root


def look(root, labels='lab', classes='table.yaml', skip=False, **options):
    options = {name: [str(root / word) for word in words] for name, words in options.items()}
    more, few, val = (options.get(name) for name in ('more', 'few', 'val'))
    source = [str(root / 'img'), str(root / labels)]
    classes = classes and str(root / classes)
    more_sources = [tuple(more)] if more else []
    return check(
        source, str(root / 'tgt'), val, classes, root / 'out', skip_bad=skip, target_few=few, more_sources=more_sources
    )


def names_shown(checked, folder):
    """Names of the classes that a training reads, where `scene` shows each id: by the check, and by a config."""
    table = parse_class_table(source_of(folder, checked)['classes'])
    assert table.names == checked.table.names
    label = folder.label_paths[0]
    ids = labelled_picture(folder, checked.table, folder.paths[0], label)[1]
    np.testing.assert_array_equal(ids, table.read(label))
    values = {number: np.unique(ids[scene() == number]).tolist() for number in range(4)}
    return {k: [checked.table.names[v] if v != 255 else 'ignored' for v in held] for k, held in values.items()}


EXPECTED = {0: ['background'], 1: ['person'], 2: ['car'], 3: ['bus']}


def test_a_source_by_the_table_of_the_user(root):
    checked = look(root, 'json')
    assert names_shown(checked, checked.source) == EXPECTED
    assert checked.table.names == ('background', 'person', 'car', 'bus')
    # the column says what the drawn files hold, which are read by eye
    assert [row[:2] for row in checked.class_table().rows[:4]] == [
        ('background', '0'),
        ('person', '3'),
        ('car', '2'),
        ('bus', '1'),
    ]


@pytest.mark.parametrize('words', [['val/img', 'val/json'], ['val/img', 'val/json', 'table.yaml']])
@pytest.mark.parametrize('place, role', [('val', 'target-val'), ('few', FEW)])
@pytest.mark.parametrize('labels', ['lab', 'json'])
def test_labels_of_the_target(root, words, place, role, labels):
    checked = look(root, labels, **{place: words})
    folder = next(folder for folder in checked.folders if folder.role == role)
    assert names_shown(checked, folder) == EXPECTED


def test_labels_of_the_target_beside_outlines_without_any_table(root):
    checked = look(root, 'json', None, val=['val/img', 'val/json'])
    assert names_shown(checked, checked.source) == names_shown(checked, checked.target_val) == EXPECTED


def test_a_table_of_their_own_ignores_what_the_source_has_not(root):
    (root / 'few.yaml').write_text('classes:\n  background: 0\n  car: 2\n  person: 1\nignore: [3]\n')
    checked = look(root, classes='few.yaml', val=['val/img', 'val/json', 'table.yaml'])
    assert names_shown(checked, checked.target_val) == {**EXPECTED, 3: ['ignored']}
    assert 'classes of' in notes(checked) and 'are ignored: bus' in notes(checked)


def test_a_second_source(root):
    (root / 'second.yaml').write_text('classes:\n  bus: 7\n  car: 9\n  background: 30\n  person: 8\n')
    checked = look(root, more=['val/img', 'val/json', 'second.yaml'])
    assert names_shown(checked, checked.more_sources[0]) == EXPECTED
    assert names_shown(checked, checked.source) == EXPECTED


@pytest.mark.parametrize(
    'names', [('background', 'bus', 'car', 'person', 'more'), ('person', 'background', 'car', 'bus')]
)
def test_a_network_that_is_given(root, names):
    words = [str(root / 'val/img'), str(root / 'val/json')]
    args = argparse.Namespace(
        out=root / 'out',
        target=str(root / 'tgt'),
        target_val=words,
        target_few=None,
        image_suffix=None,
        label_suffix=None,
        bands=None,
        check='some',
        skip_bad=False,
        classes=None,
    )
    table = parse_class_table({'classes': {name: number for number, name in enumerate(names)}})
    checked = check_target(args, table)
    assert names_shown(checked, checked.target_val) == EXPECTED


@pytest.mark.parametrize(
    'options', [{'labels': 'json'}, {'val': ['val/img', 'val/json']}, {'few': ['val/img', 'val/json']}]
)
def test_names_that_the_table_has_not_are_refused_or_ignored(root, options):
    text = 'classes:\n  background: [0, 3]\n  person: 1\n  car: 2\n'
    (root / 'table.yaml').write_text(text)
    with pytest.raises(
        UserError, match=r'outlines called bus, which the class table .*table.yaml has not.*unknown: ignore'
    ):
        look(root, **options)
    (root / 'table.yaml').write_text(f'{text}unknown: ignore\n')
    checked = look(root, **options)
    folder = next(folder for folder in checked.folders if folder.labels and '/labels/' in folder.labels)
    assert names_shown(checked, folder) == {**EXPECTED, 3: ['ignored']}
    assert 'outlines called bus are ignored' in notes(checked)


def test_what_lies_in_no_outline_is_no_class_of_another_name(root):
    (root / 'table.yaml').write_text('classes:\n  road: 0\n  bus: 1\n  car: 2\n  person: 3\n')
    checked = look(root, 'json')
    assert names_shown(checked, checked.source) == {**EXPECTED, 0: ['ignored']}
    assert 'background is ignored: the class table has no class of that name' in notes(checked)
    assert checked.absent() == ['road']


def test_names_found_in_label_files_are_no_names_of_outlines(root):
    with pytest.raises(UserError, match='called bus, car, person, which the source has not'):
        look(root, classes=None, val=['val/img', 'val/json'])


def test_outlines_that_went_leave_no_label_file(root):
    assert len(look(root, 'json').source.names) == 4
    (root / 'json/3.json').unlink()
    with pytest.raises(UserError, match='source: 1 images of .* have no label file'):
        look(root, 'json')
    assert not (root / 'out/labels/source/3.png').exists()
    assert look(root, 'json', skip=True).source.names == ('0', '1', '2')


def test_drawing_that_was_stopped_is_done_again(root, monkeypatch):
    def stopped(images, labels, folder):
        (folder / 'sub').mkdir(parents=True)
        save(folder / 'sub/half.png', scene())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr('sw_mmseg.own_images.outlines.draw_polygons', stopped)
        look(root, 'json')
    assert len(look(root, 'json').source.names) == 4
    assert sorted(path.name for path in (root / 'out/labels/source').rglob('*.png')) == [f'{n}.png' for n in range(4)]


@pytest.mark.parametrize('labels, drawn', [('json', True), ('lab', False)])
def test_the_table_that_a_check_proposes_says_how_outlines_are_read(root, run, labels, drawn):
    words = ['--source', root / 'img', root / labels, '--target', root / 'tgt', '--out', root / 'out', '--check-only']
    assert run('adapt', *words) == 0
    table = root / 'out/check/classes.yaml'
    assert ('The labels are outlines, which are found by these names' in table.read_text()) == drawn
    names = look(root, labels, table.relative_to(root)).table.names
    assert names == (('background', 'bus', 'car', 'person') if drawn else tuple(f'class {k}' for k in range(4)))


def test_a_check_beside_a_run_leaves_its_label_files(root, run, capsys):
    look(root, 'json')
    (root / 'out/adapt.json').write_text('{}')
    before = {path: path.read_bytes() for path in (root / 'out/labels').rglob('*.*')}
    (root / 'json/0.json').unlink()
    words = ['--source', root / 'img', root / 'json', '--target', root / 'tgt', '--out', root / 'out', '--check-only']
    assert run('adapt', *words) == 2
    assert '--check-only would draw anew' in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (root / 'out/labels').rglob('*.*')} and len(before) == 5


@pytest.mark.parametrize('name', ['0.png', 'sub/mine.tif'])
@pytest.mark.parametrize('drawn', [False, True])
def test_label_files_of_the_users_are_neither_written_over_nor_taken(root, name, drawn):
    if drawn:
        look(root, 'json')
    file = root / 'out/labels/source' / name
    save(file, scene()[::-1])
    content = file.read_bytes()
    before = sorted((root / 'out').rglob('*'))
    with pytest.raises(UserError, match=f'{name} was not drawn by this tool, by a version that took no note of it'):
        look(root, 'json')
    assert file.read_bytes() == content and sorted((root / 'out').rglob('*')) == before


def test_outlines_go_on_being_drawn_where_they_were_stopped(root, run, tmp_path, monkeypatch, capsys):
    out, draw = tmp_path / 'drawn', drawing.draw
    words = ('dataset_converters polygons', root / 'img', root / 'json', out)

    def stopped(shapes, ids):
        if any(out.glob('*.png')):
            raise KeyboardInterrupt
        return draw(shapes, ids)

    monkeypatch.setattr(drawing, 'draw', stopped)
    assert run(*words) == 130 and len(list(out.glob('*.png'))) == 1
    monkeypatch.setattr(drawing, 'draw', draw)
    assert run(*words[:2], root / 'val/json', out) == 2  # another call
    assert run(*words) == 0
    assert sorted(path.name for path in out.iterdir()) == ['0.png', '1.png', '2.png', '3.png', 'classes.yaml']
    assert run(*words) == 2 and 'holds something already' in capsys.readouterr().err.splitlines()[-1]
    assert run(*words[:-1], tmp_path / 'other', '--traceback') == 0
    assert run('dataset_converters polygons', root / 'img', tmp_path, tmp_path.parent / 'new') == 2
    assert not (tmp_path.parent / 'new').exists()
    assert run(*words[:-1], root / 'img/drawn') == 2 and not (root / 'img/drawn').exists()
    assert 'which is read' in capsys.readouterr().err
