"""The tables of `norm_layer.py` as one picture. The only file of this folder that imports matplotlib."""

from pathlib import Path
from typing import Any

import matplotlib

__all__ = ['draw']

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from sw_mmseg.benchmark.growth import Growth
from sw_mmseg.benchmark.norms import BASELINE
from sw_mmseg.whitening import NORMS_BY_TITLE

TITLES = {'BatchNorm2d': 'BN', 'GroupNorm': 'GN', 'InstanceNorm2d': 'IN', 'LayerNorm': 'LN'}  # torch's -> the table's
WIDTH, HEIGHT = 6.5, 2.7  # inches of a panel; at 120 dots an inch a page shows it pixel by pixel


def draw(results: dict, growths: list[Growth], caption: str, path: Path) -> None:
    """A panel of bars for each mode and dtype, and one of lines for each growth, one below the other."""
    panels = len(results) + len(growths)
    figure, axes = plt.subplots(panels, 1, figsize=(WIDTH, HEIGHT * panels), squeeze=False, layout='constrained')
    for axis, ((mode, dtype), tables) in zip(axes.flat, results.items()):
        _bars(axis, tables)
        axis.set_title(f'{mode}, {dtype}', fontsize='medium')
    for axis, growth in zip(axes.flat[len(results) :], growths):
        _lines(axis, growth)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if results:
        figure.legend(handles, labels, loc='outside upper center', ncols=5, frameon=False)
    figure.supxlabel(caption, fontsize='small')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _look(name: str) -> dict[str, Any]:
    """A norm's colour, as in every plot; a variant of it, such as 'SWa eigh', is paler."""
    title, *variant = name.split()
    return {'color': NORMS_BY_TITLE[TITLES.get(title, title)].colour, 'alpha': 0.55 if variant else 1.0}


def _bars(axis: Axes, tables: dict) -> None:
    """Ratios to the baseline: a cluster a shape, a bar a norm."""
    shapes, norms = list(tables), [name for name in next(iter(tables.values())) if name != BASELINE]
    width = 0.8 / max(len(norms), 1)
    for index, name in enumerate(norms):
        places = [place + (index - (len(norms) - 1) / 2) * width for place in range(len(shapes))]
        heights = [tables[shape][name].ratio - 1 for shape in shapes]
        axis.bar(places, heights, width, bottom=1, label=name, **_look(name))
    _plain_log(axis)
    axis.axhline(1.0, color='black', linewidth=1)
    axis.set_xticks(range(len(shapes)), ['{}×{}×\n{}×{}'.format(*shape) for shape in shapes])
    axis.set_ylabel(f'time / {BASELINE}')


def _lines(axis: Axes, growth: Growth) -> None:
    for name, times in growth.times.items():
        label = f'{name}, slope {growth.slopes[name]:.2f}'
        axis.loglog(growth.sizes, times, marker='o', label=label, **_look(name))
    axis.set_xticks(growth.sizes, [str(size) for size in growth.sizes])
    axis.set_xticks([], minor=True)
    _plain_log(axis)
    axis.set_xlabel(growth.title)
    axis.set_ylabel('ms, forward + backward')
    axis.legend(frameon=False)


def _plain_log(axis: Axes) -> None:
    """A logarithmic vertical axis with plain numbers, also within one decade."""
    axis.set_yscale('log')
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    axis.yaxis.set_minor_formatter(NullFormatter())
