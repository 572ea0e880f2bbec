"""The plot of seeds: every value a point, the mean and the sample deviation where they belong."""

import pytest

from sw_mmseg.analysis.spread import plot_spread


def test_points_means_and_deviations():
    figure = plot_spread({'BN': [10.0, 12.0, 14.0], 'SWa': [20.0]}, 'mIoU (%)', 'Norms')
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ['BN', 'SWa']
    assert [sorted(points.get_offsets()[:, 0]) for points in axes.collections] == [[10, 12, 14], [20]]
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    assert lines == [([12, 12], [-0.26, 0.26]), ([10.0, 14.0], [0, 0]), ([20, 20], [0.74, 1.26])]  # stdev 2; one seed
    assert axes.get_xlabel() == 'mIoU (%)' and axes.get_ylim() == (1.5, -0.5)


def test_what_has_no_value_is_refused():
    with pytest.raises(ValueError, match='SWa'):
        plot_spread({'BN': [1.0], 'SWa': []}, 'x')
    with pytest.raises(ValueError, match='no network'):
        plot_spread({}, 'x')
