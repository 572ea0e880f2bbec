"""Growth of time and memory against Table 1 of the paper: exponents fitted to measurements, with what it predicts.

Table 1 gives O(N·C·H·W) for standardisation and O(N·C·G·max(H·W, G)) for whitening in groups of G channels (D here),
so with H·W > D an exponent of 1 in each of N, C and H·W, of 1 in the group size, and of 2 in C where there are no
groups (D = C). Orders say what happens at large sizes: on small inputs the time of launching an operation does not
grow, and while D is small the passes over memory cost more than the products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes, series_colours
from sw_mmseg.analysis.tables import Table

__all__ = ['AXES', 'Fit', 'fit_exponent', 'growth_table', 'plot_growth', 'predicted_exponent']

AXES = {
    'N': 'images',
    'C': 'channels, D = 16',
    'HW': 'pixels of an image',
    'D': 'group size',
    'C = D': 'channels, no groups',
}
WHITENING = frozenset({'bw', 'iw'})
# two-sided 95% points of Student's t, by degrees of freedom
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}


class Fit(NamedTuple):
    """An exponent and its 95% interval, which is NaN with two points."""

    exponent: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = '' if math.isnan(self.low) else f' [{self.low:.2f}, {self.high:.2f}]'
        return f'{self.exponent:.2f}{interval}'


def predicted_exponent(statistics: Sequence[str], axis: str) -> int:
    """What Table 1 says of a set of statistics and one of `AXES`, for H·W > D."""
    if axis not in AXES:
        raise ValueError(f'unknown axis {axis!r}: one of {list(AXES)}')
    whitens = not WHITENING.isdisjoint(statistics)
    return {'D': int(whitens), 'C = D': 1 + int(whitens)}.get(axis, 1)


def fit_exponent(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Least squares of log value over log size.

    Raises:
        ValueError: fewer than two points, or one that is not positive.
    """
    if len(sizes) != len(values) or len(sizes) < 2 or min(*sizes, *values) <= 0:
        raise ValueError(f'an exponent needs at least two positive points, not {list(zip(sizes, values))}')
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / spread
    freedom = len(x) - 2
    if freedom < 1:
        return Fit(slope, math.nan, math.nan)
    residual = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y))
    reach = STUDENT.get(freedom, 1.96 if freedom > 30 else 2.228) * math.sqrt(residual / freedom / spread)
    return Fit(slope, slope - reach, slope + reach)


def growth_table(
    measured: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    statistics: Mapping[str, Sequence[str]] | None = None,
    caption: str = '',
) -> Table:
    """A row a norm, a column an axis: the fitted exponent and its interval, after what is predicted.

    Args:
        measured: norm -> axis -> (sizes, values).
        statistics: norm -> its Ω, from which the prediction of time follows; None shows none.
    """

    def cell(norm: str, axis: str) -> str | None:
        if axis not in measured[norm]:
            return None
        fit = fit_exponent(*measured[norm][axis])
        return f'{predicted_exponent(statistics[norm], axis)}: {fit}' if statistics else str(fit)

    axes = [axis for axis in AXES if any(axis in curves for curves in measured.values())]
    rows = [(norm, *(cell(norm, axis) for axis in axes)) for norm in measured]
    return Table(('norm', *axes), tuple(rows), caption)


def plot_growth(
    measured: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    axis: str,
    ylabel: str,
    title: str = '',
    theme: Theme = LIGHT,
) -> Figure:
    """One axis on logarithmic scales, a line a norm, and a dotted one of linear growth.

    Args:
        measured: norm -> (sizes, values).
    """
    if not measured:
        raise ValueError('plot_growth needs at least one norm')
    figure, axes = line_axes(theme, title, height=3.2)
    styles, colours = ('-', '--'), series_colours(measured, theme)
    for index, (label, (sizes, values)) in enumerate(measured.items()):
        axes.plot(
            sizes,
            values,
            label=label,
            color=colours[label],
            marker='o',
            markersize=3.5,
            linewidth=1.6,
            linestyle=styles[index // len(theme.cycle) % 2],
        )
    start = min(values[0] for _, values in measured.values())
    axes.plot(sizes, [start * size / sizes[0] for size in sizes], color=theme.muted, linestyle=':', label='linear')
    axes.set_xscale('log', base=2)
    axes.set_yscale('log')
    axes.set_xticks(sizes, [f'{size:g}' for size in sizes])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter('{x:g}')
    axes.minorticks_off()
    axes.set_xlabel(f'{axis}: {AXES[axis]}')
    axes.set_ylabel(ylabel)
    figure.set_figheight(figure.get_figheight() + 0.19 * legend_above(axes, theme, 0.5))
    return figure
