"""Scores over two choices at once (method × norm): groups of dots with mean and deviation. No counterpart in the paper,
which gives one number a cell."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes

__all__ = ['plot_grid']


def plot_grid(scores: Mapping[str, Mapping[str, Sequence[float]]], xlabel: str, title: str = '',
              theme: Theme = LIGHT) -> Figure:
    """A band a group, a line a member in it: a dot a seed, a bar at the mean, one sample deviation to either side.

    Args:
        scores: group -> member -> one value a seed, at least one; members have one colour in all groups.

    Raises:
        ValueError: there is nothing to draw, or a member has no value.
    """
    members = list(dict.fromkeys(name for group in scores.values() for name in group))
    empty = [f'{name}, {member}' for name, group in scores.items() for member, values in group.items() if not values]
    if not members or empty:
        raise ValueError(f'plot_grid needs a value of every member; {empty or "there is none"}')
    step = 0.8 / len(members)
    figure, axes = line_axes(theme, title, height=1.2 + len(scores) * (0.25 + 0.17 * len(members)))
    for index, member in enumerate(members):
        colour, named = theme.cycle[index % len(theme.cycle)], member
        for row, group in enumerate(scores.values()):
            if member not in group:
                continue
            values, place = group[member], row - 0.4 + (index + 0.5) * step
            mean = statistics.mean(values)
            axes.scatter(values, [place] * len(values), s=14, color=colour, alpha=0.6, linewidths=0, zorder=3)
            axes.plot([mean, mean], [place - 0.4 * step, place + 0.4 * step], color=colour, linewidth=2.5, label=named)
            named = None
            if len(values) > 1:
                deviation = statistics.stdev(values)
                axes.plot([mean - deviation, mean + deviation], [place, place], color=colour, linewidth=1.2)
    axes.set_yticks(range(len(scores)), list(scores), color=theme.ink)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    for row in range(1, len(scores)):
        axes.axhline(row - 0.5, color=theme.grid, linewidth=0.8)
    axes.set_xlabel(xlabel)
    axes.grid(False)
    axes.grid(True, axis='x', color=theme.grid, linewidth=0.8)
    rows = legend_above(axes, theme, 0.4)
    figure.set_figheight(figure.get_figheight() + 0.19 * rows)
    return figure
