"""The legend above a plot: as few lines as its texts allow, and none wider than the figure."""

import pytest
from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, WIDTH_INCHES, legend_above


@pytest.mark.parametrize(
    'labels, lines',
    [
        (('BN', 'SWa'), 1),
        (('BN', 'IN', 'SN', 'BW', 'IW', 'SWa', 'SWa, switches learnt again', 'SWb'), 4),  # as the adaptation study's
        (('a label as long as a line of the legend may be',) * 2, 2),
    ],
)
def test_a_legend_has_as_few_lines_as_fit(labels, lines):
    figure = Figure(figsize=(WIDTH_INCHES, 3))
    axes = figure.add_subplot()
    for index, label in enumerate(labels):
        axes.plot([0, 1], [index, index], label=label)
    assert legend_above(axes, LIGHT, 0.5) == lines
    figure.draw_without_rendering()
    box = axes.get_legend().get_window_extent()
    assert box.width <= figure.bbox.width
    assert len({round(text.get_window_extent().y0) for text in axes.get_legend().get_texts()}) == lines
