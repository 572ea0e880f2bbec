"""Per-class IoU as horizontal bars, one group a class, one bar a network.

The paper gives the same numbers as its Table 6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes, series_colours
from sw_mmseg.analysis.text import set_names, shown_names

__all__ = ['plot_class_bars']


def plot_class_bars(
    classes: Sequence[str],
    networks: Mapping[str, Sequence[float]],
    xlabel: str = 'IoU (%)',
    title: str = '',
    theme: Theme = LIGHT,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Bars of IoU in percent (0-100), classes from top to bottom in the given order.

    Args:
        classes: C names.
        networks: label -> C values; NaN (class absent) is marked with a dash instead of a bar of length 0.
        colours: label -> colour; where missing the norm's, or the theme's cycle.
    """
    if not networks:
        raise ValueError('plot_class_bars needs at least one network')
    for name, values in networks.items():
        if len(values) != len(classes):
            raise ValueError(f'{name!r} has {len(values)} values for {len(classes)} classes')
    thickness = 0.8 / len(networks)
    figure, axes = line_axes(theme, title, height=1.0 + len(classes) * (0.1 + 0.105 * len(networks)))
    colours = series_colours(networks, theme) | dict(colours or {})
    for index, (label, values) in enumerate(networks.items()):
        colour = colours[label]
        places = [c - 0.4 + (index + 0.5) * thickness for c in range(len(classes))]
        axes.barh(places, [0.0 if math.isnan(v) else v for v in values], thickness * 0.92, color=colour, label=label)
        for place, value in zip(places, values):
            if math.isnan(value):
                axes.text(0.6, place, '–', va='center', color=theme.muted, fontsize=7)
    names = shown_names(classes)
    axes.set_yticks(range(len(classes)), names, color=theme.ink)
    set_names(axes.get_yticklabels(), names)
    axes.set_ylim(len(classes) - 0.45, -0.55)
    axes.set_xlim(0, 100)
    axes.set_xlabel(xlabel)
    axes.grid(False)
    axes.grid(True, axis='x', color=theme.grid, linewidth=0.8)
    rows = legend_above(axes, theme, 0.4)
    figure.set_figheight(figure.get_figheight() + 0.19 * rows)
    return figure
