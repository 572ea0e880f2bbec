"""Scores over two choices at once (method × norm): groups of dots with mean and deviation. No counterpart in the paper,
which gives one number a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from sw_mmseg.analysis.spread import draw_spread
from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes, series_colours

__all__ = ['plot_grid']


def plot_grid(
    scores: Mapping[str, Mapping[str, Sequence[float]]], xlabel: str, title: str = '', theme: Theme = LIGHT
) -> Figure:
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
    lines = [len(group) + 1 for group in scores.values()]  # a free one between bands
    figure, axes = line_axes(theme, title, height=1.2 + 0.17 * sum(lines))
    colours = series_colours(members, theme)
    middles, begin = [], 0
    for group, height in zip(scores.values(), lines):
        for place, member in enumerate((m for m in members if m in group), begin + 1):
            draw_spread(axes, group[member], place, colours[member], reach=0.4, size=14)
        middles.append(begin + height / 2)
        begin += height
        if begin < sum(lines):
            axes.axhline(begin, color=theme.grid, linewidth=0.8)
    for member in members:
        axes.plot([], [], color=colours[member], linewidth=2.5, label=member)
    axes.set_yticks(middles, list(scores), color=theme.ink)
    axes.set_ylim(sum(lines), 0)
    axes.set_xlabel(xlabel)
    axes.grid(False)
    axes.grid(True, axis='x', color=theme.grid, linewidth=0.8)
    rows = legend_above(axes, theme, 0.4)
    figure.set_figheight(figure.get_figheight() + 0.19 * rows)
    return figure
