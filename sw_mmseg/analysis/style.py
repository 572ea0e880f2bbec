"""How figures look: one size that a phone can show, a light and a dark theme, one colour a norm.

Figures are drawn without pyplot: no global state, no display needed, nothing kept alive.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from numpy import array_split

from sw_mmseg.whitening import NORMS

__all__ = ['DARK', 'LIGHT', 'Theme', 'figure_png', 'legend_above', 'line_axes', 'series_colours']

WIDTH_INCHES = 5.2  # 10 pt text stays above 9 px when the figure fills a 390 px wide phone


@dataclass(frozen=True)
class Theme:
    """Colours: page, text, secondary text, grid, and the cycle of the series, safe for colour blindness."""

    page: str
    ink: str
    muted: str
    grid: str
    cycle: tuple[str, ...]


LIGHT = Theme(
    '#ffffff',
    '#1d2430',
    '#667085',
    '#e3e7ee',
    ('#2f6fde', '#e08a00', '#0f9d76', '#b4439c', '#6b7280', '#8b5e34', '#12a5c9', '#d4425a'),
)
DARK = Theme(
    '#161b22',
    '#e6eaf0',
    '#98a2b3',
    '#2b3340',
    ('#6ea3ff', '#ffb547', '#3fd0a4', '#e584d0', '#a3aab8', '#c99a6b', '#5fd3ee', '#ff7a8f'),
)


def series_colours(labels: Iterable[str], theme: Theme) -> dict[str, str]:
    """Label -> colour. A label that begins with a norm, 'SWa' or 'SWa, 7 sites' or 'sw_fcn_ade20k', has that norm's
    colour, in every plot the same; a norm's second series is darker on a light page and lighter on a dark one. Other
    labels take the theme's cycle."""
    colours: dict[str, str] = {}
    for index, label in enumerate(labels):
        colour = _norm_colour(label) or theme.cycle[index % len(theme.cycle)]
        while colour in colours.values() and _norm_colour(label):
            colour = to_hex([0.55 * a + 0.45 * b for a, b in zip(to_rgb(colour), to_rgb(theme.ink))])
        colours[label] = colour
    return colours


def _norm_colour(label: str) -> str | None:
    word = re.split('[ ,_]', label, maxsplit=1)[0]
    for norm in NORMS.values():
        if word in (norm.title, norm.word.upper()) or (word == norm.word and '_' in label):
            return norm.colour
    return None


def line_axes(theme: Theme, title: str = '', height: float = 3.0) -> tuple[Figure, Axes]:
    """An empty figure with one frame in the theme's colours; height in inches."""
    figure = Figure(figsize=(WIDTH_INCHES, height), facecolor=theme.page, layout='constrained')
    axes = figure.add_subplot(facecolor=theme.page)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ('left', 'bottom'))
        spine.set_color(theme.grid)
    axes.tick_params(colors=theme.muted, labelsize=9, length=0)
    axes.grid(True, axis='y', color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(theme.muted)
    axes.yaxis.label.set_color(theme.muted)
    if title:
        figure.suptitle(title, color=theme.ink, fontsize=11, fontweight='bold', x=0.02, ha='left')
    return figure, axes


def legend_above(axes: Axes, theme: Theme, centre: float) -> int:
    """A legend above the axes, on as few lines as its texts allow; returns how many. `centre` in widths of the axes."""
    labels = axes.get_legend_handles_labels()[1]
    columns = next(count for count in range(len(labels), 0, -1) if count == 1 or _characters(labels, count) <= 56)
    axes.legend(loc='lower center', bbox_to_anchor=(centre, 1.0), ncols=columns, frameon=False, labelcolor=theme.ink)
    return -(-len(labels) // columns)


def _characters(labels: list[str], columns: int) -> int:
    """Width of a legend: each column as wide as its longest label, and ten for the sample of the line."""
    return sum(max(map(len, labels[part[0] : part[-1] + 1])) + 10 for part in array_split(range(len(labels)), columns))


def figure_png(draw: Callable[[Theme], Figure], theme: Theme, dpi: int = 150) -> bytes:
    """The PNG of `draw(theme)`."""
    out = io.BytesIO()
    draw(theme).savefig(out, format='png', dpi=dpi, metadata={'Software': None})
    return out.getvalue()
