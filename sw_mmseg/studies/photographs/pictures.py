"""What the page on photographs shows: the two drawn sources beside each other, and the scores of every training."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from sw_mmseg.analysis.spread import plot_spread
from sw_mmseg.analysis.style import LIGHT, Theme
from sw_mmseg.datasets.streets import VARIANTS, draw_sample
from sw_mmseg.running.methods import METHODS
from sw_mmseg.running.norms import find_norm
from sw_mmseg.studies.photographs.cells import DATA, Result
from sw_mmseg.studies.photographs.report import Key, grouped
from sw_mmseg.studies.photographs.settings import setting_of

__all__ = ['score_plot', 'source_sheet']

SOURCES = {'varied': 'game-like streets', 'broad': 'broad streets'}  # variant -> what the page calls its source
SIZE, COLUMNS = (320, 240), 5
WIDTH = 8.5  # inches, of the plot of scores


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


def score_plot(results: Sequence[Result], theme: Theme = LIGHT) -> Figure:
    """Test mIoU of every training from drawings, the highest mean first, every seed a dot, in the colours of norms.

    Of those that were trained for several lengths, the longest: lengths stand in the table.
    """
    groups = grouped(results, DATA[0])
    longest = {key: max(other[2] for other in groups if other[:2] == key[:2] and other[3] == key[3]) for key in groups}
    chosen = {_label(key): key for key in groups if key[2] == longest[key]}
    scores = {label: [r.miou() for r in groups[key]] for label, key in chosen.items()}
    ordered = {label: scores[label] for label in sorted(scores, key=lambda label: -statistics.mean(scores[label]))}
    colours = {label: find_norm(chosen[label][1]).colour for label in ordered}
    figure = plot_spread(ordered, 'mIoU of 11 classes on photographs, percent', '', theme, colours)
    figure.set_size_inches(WIDTH, figure.get_size_inches()[1])
    return figure


def _label(key: Key) -> str:
    """'CBST, 384×288 pixels', with the norm where it is not BN."""
    method, norm, _, setting = key
    words = (METHODS[method].title, setting_of(setting).title, '' if norm == 'bn' else find_norm(norm).title)
    return ', '.join(word for word in words if word)
