"""Importance ratios: sorted, averaged and chosen as by hand; pictures hold the numbers they were given."""

import pytest

from sw_mmseg.analysis.importance import (
    by_layer,
    choice,
    chosen,
    network_mean,
    ratio_table,
    short_names,
    task_table,
    words_of,
)
from sw_mmseg.analysis.importance_plots import plot_network, plot_ratio_curves, plot_tasks
from sw_mmseg.analysis.style import DARK, LIGHT

FLAT = {
    'loss': 3.0,
    'ratios/backbone.norm1/mean/bw': 0.25,
    'ratios/backbone.norm1/mean/iw': 0.75,
    'ratios/backbone.norm1/cov/bw': 0.9,
    'ratios/backbone.norm1/cov/iw': 0.1,
    'ratios/backbone.norm2/mean/bw': 0.51,
    'ratios/backbone.norm2/mean/iw': 0.49,
    'ratios/backbone.norm2/cov/bw': 0.5,
    'ratios/backbone.norm2/cov/iw': 0.5,
    'ratios/backbone.norm3/mean/bw': 1.0,
    'ratios/backbone.norm3/cov/bw': 1.0,
}


def test_by_layer_keeps_what_switches_in_order():
    layers = by_layer(FLAT)
    assert list(layers) == ['backbone.norm1', 'backbone.norm2']  # norm3 has one statistic
    assert layers['backbone.norm1'] == {'mean': {'bw': 0.25, 'iw': 0.75}, 'cov': {'bw': 0.9, 'iw': 0.1}}
    assert words_of({'a': {'mean': {'ln': 1, 'iw': 1}, 'cov': {'bw': 1}}}) == ('bw', 'iw', 'ln')  # the paper's order


def test_choices_and_averages_by_hand():
    layers = by_layer(FLAT)
    assert network_mean(layers) == {'bw': pytest.approx(0.7), 'iw': pytest.approx(0.3)}
    assert network_mean(layers, 'mean') == {'bw': pytest.approx(0.38), 'iw': pytest.approx(0.62)}
    assert choice({'bw': 0.25, 'iw': 0.75}) == 'iw' and choice({'bw': 0.51, 'iw': 0.49}) == 'even'
    five = {'bw': 0.2, 'iw': 0.2, 'bn': 0.2, 'in': 0.13, 'ln': 0.27}
    assert choice(five) == 'ln'
    assert chosen(five, 'cov') == 'ln' and chosen(five, 'mean') == 'bw/bn'  # 0.4 against 0.33 and 0.27
    assert chosen({'bw': 0.4, 'bn': 0.6}, 'mean') == 'bw/bn' and chosen({'bw': 0.4, 'bn': 0.6}, 'cov') == 'bn'
    with pytest.raises(ValueError, match='no layer switches'):
        network_mean({})


def test_tables():
    table = ratio_table(by_layer(FLAT))
    assert table.headings == ('layer', 'ω bw', 'ω iw', "ω' bw", "ω' iw", 'ω chooses', "ω' chooses")
    assert table.rows[0] == ('norm1', 0.25, 0.75, 0.9, 0.1, 'iw', 'bw')
    assert table.rows[1] == ('norm2', 0.51, 0.49, 0.5, 0.5, 'even', 'even')
    assert table.rows[2][0] == 'average' and table.rows[2][3] == pytest.approx(0.7) and table.strong == {2}


def test_tasks_average_over_networks_and_keep_different_statistics_apart():
    layers = by_layer(FLAT)
    other = {'norm1': {kind: {'bw': 0.5, 'iw': 0.5} for kind in ('mean', 'cov')}}
    standard = {'n': {kind: {'bn': 0.2, 'in': 0.2, 'ln': 0.6} for kind in ('mean', 'cov')}}
    table = task_table({'both': [layers, other], 'SN': [standard]})
    assert table.headings == ('network', 'runs', 'SW layers', 'bw', 'iw', 'bn', 'in', 'ln', "ω and ω' differ")
    assert table.rows[0] == ('both', 2, 2, pytest.approx(0.6), pytest.approx(0.4), None, None, None, '1 of 3')
    assert table.rows[1] == ('SN', 1, 1, None, None, 0.2, 0.2, 0.6, '0 of 1')


def test_short_names():
    assert short_names(['backbone.layer1.0.bn2', 'backbone.bn1']) == {
        'backbone.layer1.0.bn2': 'layer1.0.bn2',
        'backbone.bn1': 'bn1',
    }
    assert short_names(['a.b']) == {'a.b': 'b'} and short_names(['n', 'm']) == {'n': 'n', 'm': 'm'}


@pytest.mark.parametrize('theme', [LIGHT, DARK])
def test_curves_hold_the_values(theme):
    curves = by_layer({name: ([20, 40], [0.5, value]) for name, value in FLAT.items()})
    figure = plot_ratio_curves(curves, 'cov', 'title', theme)
    frames = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc='left') for axes in frames] == ['norm1', 'norm2']
    lines = frames[0].get_lines()
    assert list(lines[0].get_ydata()) == [0.5, 0.9] and list(lines[1].get_ydata()) == [0.5, 0.1]
    assert list(lines[2].get_ydata()) == [0.5, 0.5]  # where both started


def test_bars_are_as_long_as_the_shares():
    figure = plot_network(by_layer(FLAT))
    mean, cov = figure.axes
    assert [bar.get_width() for bar in cov.patches] == pytest.approx([0.9, 0.1, 0.5, 0.5])
    assert [bar.get_x() for bar in mean.patches] == pytest.approx([0, 0.25, 0, 0.51])
    assert [label.get_text() for label in mean.get_yticklabels()] == ['norm1', 'norm2']
    squares = [line.get_color() for line in mean.get_lines()]
    assert squares == ['#009e73', LIGHT.muted]  # BW's colour; an even mixture
    bars = plot_tasks({'five': dict.fromkeys(('bw', 'iw', 'bn', 'in', 'ln'), 0.2), 'two': {'bw': 0.3, 'iw': 0.7}})
    assert [label.get_text() for label in bars.axes[0].get_yticklabels()] == ['two', 'five']
    assert [bar.get_width() for bar in bars.axes[0].patches][:2] == [0.3, 0.7]


@pytest.mark.parametrize(
    'draw', [lambda: plot_network({}), lambda: plot_tasks({}), lambda: plot_ratio_curves({}, 'cov')]
)
def test_nothing_to_draw(draw):
    with pytest.raises(ValueError, match='at least one'):
        draw()
