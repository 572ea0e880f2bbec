"""Curves: scalars read back from hand-written files, smoothing by hand, figures that hold the numbers given."""

import json
import math

import pytest

from sw_mmseg.analysis import plot_class_bars, plot_curves, read_scalars
from sw_mmseg.analysis.curves import smooth
from sw_mmseg.analysis.style import DARK


def write(folder, records, tail=''):
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(''.join(json.dumps(r) + '\n' for r in records) + tail)


def test_a_resumed_run_reads_as_the_run_that_finished(tmp_path):
    write(
        tmp_path / '20260101_000000' / 'vis_data',
        [
            {'loss': 3.0, 'iter': 10, 'step': 10},
            {'loss': 2.0, 'iter': 20, 'step': 20},
            {'loss': 9.0, 'iter': 30, 'step': 30},
        ],
        tail='{"loss": 1.',
    )
    write(
        tmp_path / '20260101_000100' / 'vis_data',
        [{'loss': 1.5, 'lr': 0.1, 'iter': 30, 'step': 30}, {'mIoU': 40.0, 'step': 30, 'note': 'text'}],
    )
    assert read_scalars(tmp_path) == {
        'loss': ([10, 20, 30], [3.0, 2.0, 1.5]),
        'lr': ([30], [0.1]),
        'mIoU': ([30], [40.0]),
    }


def test_steps_behind_the_resumed_checkpoint_are_dropped(tmp_path):
    write(tmp_path / '1' / 'vis_data', [{'loss': float(s), 'step': s} for s in (10, 20, 30)])
    write(tmp_path / '2' / 'vis_data', [{'loss': 0.5, 'step': 20}])
    assert read_scalars(tmp_path)['loss'] == ([10, 20], [10.0, 0.5])


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='LocalVisBackend'):
        read_scalars(tmp_path)
    write(tmp_path / '1' / 'vis_data', [], tail='nonsense\n{"step": 1, "loss": 2}\n')
    with pytest.raises(ValueError, match=r'scalars.json:1 is not JSON'):
        read_scalars(tmp_path)


def test_smoothing_by_hand():
    # weight 1/2: t1 = 1/2·4 = 2, n1 = 1/2 -> 4; t2 = 1 + 1/2·8 = 5, n2 = 3/4 -> 20/3
    assert smooth([4.0, 8.0], 0.5) == pytest.approx([4.0, 20 / 3])
    assert smooth([4.0, 8.0]) == [4.0, 8.0]
    with pytest.raises(ValueError, match=r'\[0, 1\)'):
        smooth([1.0], 1.0)


def test_a_figure_draws_the_values_it_was_given():
    figure = plot_curves(
        {'BN': ([10, 20], [1.0, 3.0]), 'SW': ([10, 20], [2.0, 1.0])},
        'loss',
        'A title',
        DARK,
        reference=(0.693, 'chance'),
    )
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines == {'BN': [1.0, 3.0], 'SW': [2.0, 1.0], 'chance': [0.693, 0.693]}
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ['BN', 'SW', 'chance']


def test_bars_have_the_lengths_of_the_values_and_a_dash_where_there_is_none():
    figure = plot_class_bars(('road', 'train'), {'BN': (90.0, math.nan), 'SW': (80.0, 10.0)})
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [90.0, 0.0, 80.0, 10.0]
    assert [text.get_text() for text in axes.texts] == ['–']
    assert [label.get_text() for label in axes.get_yticklabels()] == ['road', 'train']
    with pytest.raises(ValueError, match='1 values for 2 classes'):
        plot_class_bars(('road', 'train'), {'BN': (1.0,)})
