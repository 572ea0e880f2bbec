"""The two drawn sources beside each other, as the page on photographs shows them."""

from __future__ import annotations

from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, Theme
from sw_mmseg.datasets.streets import VARIANTS, draw_sample

__all__ = ['source_sheet']

SOURCES = {'varied': 'game-like streets', 'broad': 'broad streets'}  # variant -> what the page calls its source
SIZE, COLUMNS = (320, 240), 5


def source_sheet(theme: Theme = LIGHT) -> Figure:
    """A row a source: its first images, drawn at `SIZE`."""
    figure = Figure(figsize=(2.4 * COLUMNS, 1.95 * len(SOURCES)), facecolor=theme.page, layout='constrained')
    for row, (variant, name) in enumerate(SOURCES.items()):
        for column in range(COLUMNS):
            axes = figure.add_subplot(len(SOURCES), COLUMNS, row * COLUMNS + column + 1)
            axes.imshow(draw_sample(VARIANTS[variant][0], SIZE, 0, 'source', column).image)
            axes.set_axis_off()
            if column == 0:
                axes.set_title(name, loc='left', color=theme.ink, fontsize=13)
    return figure
