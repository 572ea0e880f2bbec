"""One score of several networks, every seed a point, mean and deviation beside them: whether a lead is one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, Theme, line_axes

__all__ = ['plot_spread']


def plot_spread(scores: Mapping[str, Sequence[float]], xlabel: str, title: str = '', theme: Theme = LIGHT) -> Figure:
    """Networks from top to bottom; a dot a seed, a bar at the mean, a line of one sample deviation to either side.

    Args:
        scores: label -> one value a seed, at least one.
        xlabel, title: of the figure.
    """
    empty = [label for label, values in scores.items() if not values]
    if not scores or empty:
        raise ValueError(f'plot_spread needs a value of every network; {empty or "there is no network"}')
    figure, axes = line_axes(theme, title, height=1.1 + 0.42 * len(scores))
    for row, values in enumerate(scores.values()):
        colour, mean = theme.cycle[row % len(theme.cycle)], statistics.mean(values)
        axes.scatter(values, [row] * len(values), s=26, color=colour, alpha=0.75, linewidths=0, zorder=3)
        axes.plot([mean, mean], [row - 0.26, row + 0.26], color=colour, linewidth=2.5)
        if len(values) > 1:
            deviation = statistics.stdev(values)
            axes.plot([mean - deviation, mean + deviation], [row, row], color=colour, linewidth=1.2)
    axes.set_yticks(range(len(scores)), list(scores), color=theme.ink)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(False)
    axes.grid(True, axis='x', color=theme.grid, linewidth=0.8)
    return figure
