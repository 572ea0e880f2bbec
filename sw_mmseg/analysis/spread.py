"""One score of several networks, every seed a point, mean and deviation beside them: whether a lead is one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, Theme, line_axes, series_colours

__all__ = ['draw_spread', 'plot_spread']


def plot_spread(
    scores: Mapping[str, Sequence[float]],
    xlabel: str,
    title: str = '',
    theme: Theme = LIGHT,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Networks from top to bottom; a dot a seed, a bar at the mean, a line of one sample deviation to either side.

    Args:
        scores: label -> one value a seed, at least one.
        xlabel, title: of the figure.
        colours: label -> that of its row; `series_colours` if None.
    """
    empty = [label for label, values in scores.items() if not values]
    if not scores or empty:
        raise ValueError(f'plot_spread needs a value of every network; {empty or "there is no network"}')
    figure, axes = line_axes(theme, title, height=1.1 + 0.42 * len(scores))
    colours = colours or series_colours(scores, theme)
    for row, (label, values) in enumerate(scores.items()):
        draw_spread(axes, values, row, colours[label], reach=0.26, size=26)
    axes.set_yticks(range(len(scores)), list(scores), color=theme.ink)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(False)
    axes.grid(True, axis='x', color=theme.grid, linewidth=0.8)
    return figure


def draw_spread(axes: Axes, values: Sequence[float], place: float, colour: str, reach: float, size: float) -> None:
    """A line of a figure, at height `place`: dots of `size` points², a bar that reaches so far up and down, and one
    sample deviation to either side where there are several values."""
    mean = statistics.mean(values)
    axes.scatter(values, [place] * len(values), s=size, color=colour, alpha=0.7, linewidths=0, zorder=3)
    axes.plot([mean, mean], [place - reach, place + reach], color=colour, linewidth=2.5)
    if len(values) > 1:
        deviation = statistics.stdev(values)
        axes.plot([mean - deviation, mean + deviation], [place, place], color=colour, linewidth=1.2)
