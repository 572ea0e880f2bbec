"""tools/adapt.py before it trains: every fault of a user's folders is one line, or skipped and counted."""

import json
import os
import re
import shutil
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.own_images import adapt as job
from sw_mmseg.running.command_line import run_tool
from tests.helpers.own_folders import save, write_folders


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path)


@pytest.fixture
def adapt(folders, run):
    """`adapt(*more)` -> exit status; the results' folder is OUT."""

    def call(*more):
        return run(
            'adapt',
            '--source',
            folders / 'source/images',
            folders / 'source/labels',
            '--target',
            folders / 'target',
            '--out',
            folders / 'out',
            '--check-only',
            *more,
        )

    return call


def empty_image(root):
    (root / 'source/images/0/0.png').write_bytes(b'')


def broken_label(root):
    path = root / 'source/labels/1/1.png'
    path.write_bytes(path.read_bytes()[:60])


def other_size(root):
    save(root / 'source/labels/1/1.png', np.ones((20, 48), np.uint8))


def no_label(root):
    (root / 'source/labels/0/2.png').unlink()


def colour_labels(root):
    for path in (root / 'source/labels').rglob('*.png'):
        ids = np.asarray(Image.open(path))
        save(path, np.array([[0, 0, 0], [128, 64, 128], [70, 130, 180]], np.uint8)[ids])


def photographs_as_labels(root):
    for path in (root / 'source/labels').rglob('*.png'):
        save(path, np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8))


def one_image(root):
    for n in range(1, 4):
        (root / f'target/{n}.jpg').unlink()


def no_images(root):
    for path in (root / 'target').iterdir():
        path.unlink()


def broken_target(root):
    (root / 'target/0.jpg').write_bytes(b'no picture')


def nothing(root):
    pass


def table(text):
    def write(root):
        (root / 'classes.yaml').write_text(text)

    return write


@pytest.mark.parametrize(
    ('fault', 'more', 'text'),
    [
        (empty_image, [], r'source: 1 of 4 files are faulty: .*0/0.png cannot be read (the file is empty)'),
        (broken_label, [], 'label file .*1/1.png cannot be read'),
        (other_size, [], '1/1.png is 48x20, its image .* 48x40'),
        (no_label, [], r'source: 1 images of .* have no label file in .*: 0/2. Compared were paths'),
        (colour_labels, [], r'colour pictures: (128, 64, 128) (75 %), (70, 130, 180) (25 %). Say what each colour is'),
        (photographs_as_labels, [], 'colour pictures with .* colours'),
        (one_image, [], r'target: .* has 1 image that can be used; at least 2'),
        (no_images, [], 'target holds no images'),
        (broken_target, [], r'target: 1 of 4 files are faulty: .*0.jpg cannot be read'),
        (
            table('classes: {a: 1, b: 3}'),
            ['--classes', 'classes.yaml'],
            r'hold 1 ids that the class table .*classes.yaml has not, .*: 2 (25 %). Add them .*"ignore: [255, 2]"',
        ),
        (table('classes: {a: 1, b: 1}'), ['--classes', 'classes.yaml'], '1 belongs to a and to b'),
        (table('classes: {a: 7, b: 8}\nignore: [1, 2]'), ['--classes', 'classes.yaml'], 'shows any class'),
        (nothing, ['--classes', 'nowhere.yaml'], 'nowhere.yaml is missing'),
        (nothing, ['--label-suffix', '_mask'], "no labels whose name ends with '_mask'"),
        (
            nothing,
            ['--out', 'source/images/out'],
            'lies in .*source/images: what is written there would be taken for data',
        ),
        (nothing, ['--out', 'classes.yaml/out'], 'cannot write to --out'),
    ],
)
def test_a_fault_is_one_line_before_anything_is_trained(fault, more, text, adapt, folders, capsys):
    (folders / 'classes.yaml').write_text('')
    fault(folders)
    more = [folders / word if word.endswith(('.yaml', 'out')) and not word.startswith('--') else word for word in more]
    assert adapt(*more) == 2
    errors = capsys.readouterr().err
    (line,) = [x for x in errors.splitlines() if x.startswith('error: ')]
    pattern = '.*'.join(map(re.escape, text.split('.*')))
    assert re.search(pattern, line), line
    assert 'Traceback' not in errors
    assert {p.name for p in (folders / 'out').glob('*')} <= {'check'}


@pytest.mark.parametrize('fault', [empty_image, broken_label, other_size, no_label, broken_target])
def test_what_can_be_skipped_is_counted(fault, adapt, folders, capsys):
    fault(folders)
    assert adapt('--skip-bad') == 0
    out = capsys.readouterr().out
    lost = {'no_label': '1 without a label file, 0 faulty'}.get(fault.__name__, '0 without a label file, 1 faulty')
    assert f'1 images left out: {lost}' in out
    record = json.loads((folders / 'out/check/check.json').read_text())
    assert [f['used'] for f in record['folders']] == ([4, 3] if fault is broken_target else [3, 4])


def test_colours_are_proposed_as_classes_and_then_read(adapt, folders, capsys):
    colour_labels(folders)
    assert adapt() == 2
    proposal = folders / 'out/check/colours.yaml'
    assert str(proposal) in capsys.readouterr().err
    text = proposal.read_text()
    assert '[128, 64, 128]' in text
    proposal.write_text(text.replace('colour 1', 'road'))
    assert adapt('--classes', proposal) == 0
    rows = json.loads((folders / 'out/check/check.json').read_text())['classes']
    shares = {row['class']: row['% of source'] for row in rows}
    assert shares == {'road': 75.0, 'colour 2': 25.0, '(ignored)': 0.0}


def test_labels_that_belong_to_no_image_are_told(adapt, folders, capsys):
    save(folders / 'source/labels/stray.png', np.ones((40, 48), np.uint8))
    assert adapt() == 0
    assert 'source: 1 label files belong to no image, the first is stray' in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_to_and_a_full_disk(adapt, folders, monkeypatch, capsys):
    usage = shutil.disk_usage(folders)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=5_000_000))
    assert adapt() == 2
    assert 'has 5 MB free' in capsys.readouterr().err
    monkeypatch.undo()
    if os.geteuid():  # root may write anywhere
        (folders / 'out').chmod(0o500)
        assert adapt() == 2


def test_a_disk_that_fills_while_training_is_one_line(folders, monkeypatch, capsys):
    tool = import_module('sw_mmseg.commands.adapt')

    def begin(*_):
        raise OSError(28, 'No space left on device', 'x.pth')

    monkeypatch.setattr(job, 'begin', begin)
    words = [
        '--source',
        folders / 'source/images',
        folders / 'source/labels',
        '--target',
        folders / 'target',
        '--out',
        folders / 'out',
    ]
    assert run_tool(tool.main, tool.parse_arguments([str(w) for w in words])) == 2
    assert 'error: cannot write x.pth: No space left on device. Make room' in capsys.readouterr().err


def test_the_check_leaves_a_class_table_to_change_which_stays(adapt, folders, capsys):
    assert adapt() == 0
    file = folders / 'out/check/classes.yaml'
    assert f'--classes {file}' in capsys.readouterr().out
    contents = json.loads((folders / 'out/check/check.json').read_text())
    file.write_text(file.read_text().replace('class 1', 'road'))
    assert adapt('--classes', file) == 0
    assert 'road' in capsys.readouterr().out
    named = json.loads((folders / 'out/check/check.json').read_text())
    assert named != contents and json.loads(json.dumps(named).replace('road', 'class 1')) == contents
    changed = file.read_text()
    assert adapt() == 0
    assert file.read_text() == changed and (folders / 'out/check/classes_2.yaml').is_file()
