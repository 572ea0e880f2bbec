"""Importance ratios as pictures: curves of every layer (Figures 6 and 7 of the paper), the network with what each of
its sites chose, and a bar a task (Figures 1b and 8).

The paper draws its curves with all layers of a statistic in one frame; here each layer has a frame of its own, which
stays legible with 30 layers and on a phone. The picture of the network has no counterpart in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sw_mmseg.analysis.curves import Curve
from sw_mmseg.analysis.importance import KINDS, Layer, choice, short_names, words_of
from sw_mmseg.analysis.style import LIGHT, WIDTH_INCHES, Theme, line_axes
from sw_mmseg.whitening import NORMS, STATISTICS

__all__ = ['plot_network', 'plot_ratio_curves', 'plot_tasks']


def shade(word: str) -> str:
    """The colour of a statistic, the same in every picture: that of the norm of this statistic alone."""
    return NORMS[word].colour


def _readable_on(colour: str) -> str:
    """White or black, whichever stands out more (WCAG's relative luminance)."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 'white' if luminance < 0.179 else 'black'


def plot_ratio_curves(layers: Mapping[str, Layer], kind: str, title: str = '', theme: Theme = LIGHT) -> Figure:
    """A frame a layer, a line a statistic, ratio over iterations.

    Args:
        layers: ratios by layer, each a curve (steps, values).
        kind: 'mean' for ω or 'cov' for ω'.
    """
    if not layers:
        raise ValueError('plot_ratio_curves needs at least one layer')
    columns = min(len(layers), 2 if len(layers) <= 6 else 3)
    rows = -(-len(layers) // columns)
    figure = Figure(figsize=(WIDTH_INCHES, 0.75 + 1.15 * rows), facecolor=theme.page, layout='constrained')
    frames = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    names = short_names(list(layers))
    for axes, (layer, kinds) in zip(frames, layers.items()):
        _frame(axes, kinds[kind], names[layer], theme)
    for axes in frames[len(layers) :]:
        axes.set_visible(False)
    for axes in frames[max(0, len(layers) - columns) : len(layers)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel('iteration', color=theme.muted, fontsize=8.5)
    figure.supylabel(KINDS[kind], color=theme.muted, fontsize=10)
    lines = [Line2D([], [], color=shade(word), label=word) for word in words_of(layers)]
    figure.legend(handles=lines, loc='outside lower center', ncols=5, frameon=False, labelcolor=theme.ink, fontsize=9)
    if title:
        figure.suptitle(title, color=theme.ink, fontsize=11, fontweight='bold', x=0.02, ha='left')
    return figure


def _frame(axes: Axes, curves: Mapping[str, Curve], name: str, theme: Theme) -> None:
    axes.set_facecolor(theme.page)
    for word, (steps, values) in curves.items():
        axes.plot(steps, values, color=shade(word), linewidth=1.6)
    axes.axhline(1 / len(curves), color=theme.muted, linestyle=':', linewidth=0.9)
    axes.set_ylim(0, 1)
    axes.set_title(name, color=theme.ink, fontsize=8.5, loc='left', pad=3)
    axes.tick_params(colors=theme.muted, labelsize=8, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ('left', 'bottom'))
        spine.set_color(theme.grid)


def plot_network(layers: Mapping[str, Layer], title: str = '', theme: Theme = LIGHT) -> Figure:
    """The network's SW sites from the input (above) to the output, the shares of ω and ω' beside each.

    The square before a name has the colour of the covariance's choice; a grey one stands for an even mixture.

    Args:
        layers: ratios by layer, each a number.
    """
    if not layers:
        raise ValueError('plot_network needs at least one layer')
    figure = Figure(figsize=(WIDTH_INCHES, 1.0 + 0.27 * len(layers)), facecolor=theme.page, layout='constrained')
    frames = dict(zip(KINDS, figure.subplots(1, 2, sharey=True)))
    for kind, axes in frames.items():
        for row, kinds in enumerate(layers.values()):
            _stack(axes, row, kinds[kind], theme)
        axes.set_title(f'{KINDS[kind]}, {"means" if kind == "mean" else "covariances"}', color=theme.muted, fontsize=9)
        _bar_axes(axes, len(layers), theme)
    names = short_names(list(layers))
    frames['mean'].set_yticks(range(len(layers)), [names[layer] for layer in layers], color=theme.ink, fontsize=8.5)
    for row, kinds in enumerate(layers.values()):
        chosen = choice(kinds['cov'])
        colour = theme.muted if chosen == 'even' else shade(chosen)
        frames['mean'].plot([-0.04], [row], marker='s', markersize=6, color=colour, clip_on=False)
    frames['mean'].tick_params(axis='y', pad=12)
    _word_legend(figure, layers, theme)
    if title:
        figure.suptitle(title, color=theme.ink, fontsize=11, fontweight='bold', x=0.02, ha='left')
    return figure


def plot_tasks(tasks: Mapping[str, Mapping[str, float]], title: str = '', theme: Theme = LIGHT) -> Figure:
    """A stacked bar a task (Figure 8). Networks of fewer statistics come first, as in the paper.

    Args:
        tasks: label -> statistic -> share, which sum to one.
    """
    if not tasks:
        raise ValueError('plot_tasks needs at least one task')
    ordered = sorted(tasks.items(), key=lambda item: len(item[1]))
    figure, axes = line_axes(theme, title, height=1.05 + 0.36 * len(ordered))
    axes.set_facecolor(theme.page)
    for row, (_, shares) in enumerate(ordered):
        _stack(axes, row, shares, theme)
    _bar_axes(axes, len(ordered), theme)
    axes.set_yticks(range(len(ordered)), [label for label, _ in ordered], color=theme.ink, fontsize=8.5)
    axes.set_xlabel("ω', average over SW layers")
    _word_legend(figure, {label: {'cov': shares} for label, shares in ordered}, theme)
    return figure


def _stack(axes: Axes, row: int, shares: Mapping[str, float], theme: Theme) -> None:
    left = 0.0
    for word, share in sorted(shares.items(), key=lambda item: STATISTICS.index(item[0])):
        axes.barh(row, share, 0.72, left, color=shade(word), edgecolor=theme.page, linewidth=0.6)
        if share >= 0.16:
            axes.text(
                left + share / 2,
                row,
                f'{share:.2f}',
                ha='center',
                va='center',
                fontsize=7.5,
                color=_readable_on(shade(word)),
                fontweight='bold',
            )
        left += share


def _bar_axes(axes: Axes, rows: int, theme: Theme) -> None:
    axes.set_facecolor(theme.page)
    axes.set_xlim(0, 1)
    axes.set_ylim(rows - 0.45, -0.55)
    axes.tick_params(colors=theme.muted, labelsize=8.5, length=0)
    axes.set_xticks([0, 0.5, 1], ['0', '0.5', '1'])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)


def _word_legend(figure: Figure, layers: Mapping[str, Layer], theme: Theme) -> None:
    keys = [Patch(color=shade(word), label=word) for word in words_of(layers)]
    figure.legend(
        handles=keys,
        loc='outside lower center',
        ncols=5,
        frameon=False,
        labelcolor=theme.ink,
        fontsize=9,
        handlelength=1.0,
        handleheight=1.0,
    )
