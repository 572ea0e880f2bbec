"""tools/adapt.py with several sources: classes united by name, label files of each kind, shares."""

import argparse
import json
from dataclasses import asdict

import numpy as np
import pytest
from mmseg.registry import DATASETS

from sw_mmseg.datasets import DatasetError, parse_class_table
from sw_mmseg.datasets.positions import Position
from sw_mmseg.own_images import check, config, job, plan
from sw_mmseg.own_images.labelled_data import class_weights, drawn_shares, labelled_text
from sw_mmseg.own_images.sources import unite
from sw_mmseg.own_images.training import Examiner
from sw_mmseg.running.errors import UserError
from tests.helpers.own_folders import save, write_folders

FIRST = 'classes:\n  road: 1\n  sky: {ids: [2], color: [70, 130, 180]}\n'
SECOND = 'classes:\n  sky: {color: [0, 0, 200]}\n  car: {color: [200, 0, 0]}\n'


@pytest.fixture
def folders(tmp_path):
    """Four images with ids (road 3/4, sky 1/4), two with colours (sky half, car half), and four of the target."""
    root, rng = write_folders(tmp_path), np.random.default_rng(5)
    colours = np.zeros((40, 56, 3), np.uint8)
    colours[:20], colours[20:] = (0, 0, 200), (200, 0, 0)
    for n in range(2):
        save(root / f'other/images/{n}.png', rng.integers(0, 255, (40, 56, 3), np.uint8))
        save(root / f'other/labels/{n}.png', colours)
    (root / 'first.yaml').write_text(FIRST)
    (root / 'second.yaml').write_text(SECOND)
    return root


def look(root):
    sources = [[str(root / name / part) for part in ('images', 'labels')] for name in ('source', 'other')]
    second = (*sources[1], str(root / 'second.yaml'))
    table, out = str(root / 'first.yaml'), root / 'out'
    return check.check(sources[0], str(root / 'target'), None, table, out, more_sources=[second])


def chosen(checked, **more):
    values = dict(network='narrow', norm='bn', method='adaptsegnet', short_side=None, batch_size=None, iterations=100)
    return plan.choose(argparse.Namespace(**{**values, 'seed': 3, 'cfg_options': {}, **more}), checked)


def test_classes_are_united_by_name_and_each_source_is_read_by_its_own_table(folders):
    checked = look(folders)
    assert checked.table.names == ('road', 'sky', 'car')
    assert [checked.shares(folder).pixels.tolist() for folder in checked.sources] == [
        [4 * 30 * 48, 4 * 10 * 48, 0],
        [0, 2 * 20 * 56, 2 * 20 * 56],
    ]
    assert checked.absent() == [] and (folders / 'out/check/source_2.png').is_file()
    assert labelled_text(checked) == '6 labelled images of 2 sources'
    choice, reasons = chosen(checked)
    made = config.make_config(choice, checked, 'adaptsegnet', {})
    assert made.model.segmentor.decode_head.num_classes == 3
    sets = DATASETS.build(made.train_dataloader.dataset.source)  # as a config has the tables, written and read again
    for index, classes in ((0, {0, 1}), (4, {1, 2})):
        labels = sets[index]['data_samples'].gt_sem_seg.data
        assert set(labels.unique().tolist()) - {255} == classes
    assert made.test_dataloader.dataset.labels == str(folders / 'source/labels')


@pytest.mark.parametrize('given, shares', [(None, [2 / 3, 1 / 3]), ((1, 1), [0.5, 0.5]), ((1, 3), [0.25, 0.75])])
def test_sources_share_by_size_or_as_asked(folders, given, shares):
    checked = look(folders)
    choice, reasons = chosen(checked, source_share=given)
    assert plan.Choice.from_dict(json.loads(json.dumps(asdict(choice)))) == choice
    made = config.make_config(choice, checked, 'adaptsegnet', {})
    assert list(made.train_dataloader.dataset.source.shares) == pytest.approx(shares, abs=1e-6)
    stream = DATASETS.build({**made.train_dataloader.dataset, 'seed': 0})
    paths = [stream[Position(n, 0)]['source']['data_samples'].img_path for n in range(24)]
    assert abs(sum('/other/' in path for path in paths) - 24 * shares[1]) <= 1
    assert 'sources' in {name for name, _, _ in reasons}
    # half of the pixels that each draws: 3/4 and 1/4 of one, half and half of the other
    drawn = np.array([0.75 * shares[0], 0.25 * shares[0] + 0.5 * shares[1], 0.5 * shares[1]])
    expected = np.round((3 * drawn) ** -0.5, 3)
    weights = class_weights(checked, drawn_shares(checked, 0.25, given or ()))
    assert weights == pytest.approx(expected.tolist(), abs=2e-3)


def test_images_of_every_source_are_kept_apart_to_score_on(folders, monkeypatch):
    monkeypatch.setattr(config, 'held_out', lambda folder: 2)
    checked = look(folders)
    choice, _ = chosen(checked)
    made = config.make_config(choice, checked, 'adaptsegnet', {})
    parts = made.train_dataloader.dataset.source.datasets
    assert [part.hold_out for part in parts] == [2, 2] and not any(part.get('held_out') for part in parts)
    made.work_dir = str(folders / 'out/run')
    asked = []
    monkeypatch.setattr('sw_mmseg.own_images.training.test', lambda _, loader: (asked.append(loader.dataset), []))
    assert Examiner(made, choice, checked, 2).iou(None, 'source') is None
    assert len(asked[0]) == 3  # two of four, one of two


def test_tables_that_are_united_keep_what_they_ignore_and_draw_nothing_twice():
    first = parse_class_table({'classes': {'a': 1, 'b': 2}, 'ignore': [0]})
    second = parse_class_table({'classes': {'c': {'color': [1, 2, 3]}, 'a': {'color': [4, 5, 6]}}, 'unknown': 'ignore'})
    one, other = unite([first, second])
    assert one.names == other.names == ('a', 'b', 'c')
    assert one.ignore == (0, 255) and other.ignore_unknown and not one.ignore_unknown
    assert [entry.ids for entry in one.classes] == [(1,), (2,), ()]
    for table in (one, other):
        assert len(set(map(tuple, table.palette))) == 3
        assert parse_class_table(table.to_dict()).names == table.names


def test_what_a_second_source_has_wrong_is_said_with_its_name(folders, run, capsys):
    save(folders / 'other/labels/0.png', np.full((40, 56, 3), 9, np.uint8))
    with pytest.raises((UserError, DatasetError), match='source 2: the label files hold 1 colours'):
        look(folders)
    words = ['--source', folders / 'source/images', folders / 'source/labels']
    more = ['--source', folders / 'other/images', folders / 'other/labels']
    for wrong, text in (
        ([*words, folders / 'first.yaml', *more], 'each needs a class table'),
        ([*words, *more, folders / 'second.yaml', '--source-share', 1], 'a positive number for each --source'),
        (['--source', folders / 'source/images'], '--source takes IMAGES LABELS'),
    ):
        with pytest.raises(SystemExit):
            run('adapt', *wrong, '--target', folders / 'target', '--out', folders / 'out')
        assert text in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures('one_thread')
def test_from_two_sources_to_a_report_and_on(folders, run, capsys):
    words = ['--source', folders / 'source/images', folders / 'source/labels', folders / 'first.yaml']
    words += ['--source', folders / 'other/images', folders / 'other/labels', folders / 'second.yaml']
    words += ['--source-share', 1, 1, '--target', folders / 'target', '--out', folders / 'out', '--predict', 1]
    words += ['--iterations', job.FEWEST, '--network', 'narrow', '--norm', 'bn', '--no-comparison']
    assert run('adapt', *words) == 0
    results = json.loads((folders / 'out/results.json').read_text())
    assert results['labelled_images'] == {'source': 4, 'source 2': 2} and results['classes'] == ['road', 'sky', 'car']
    assert '6 labelled images of 2 sources' in (folders / 'out/report.html').read_text()
    assert run('adapt', *words, '--resume') == 0
