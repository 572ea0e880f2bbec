"""The charts of the demo's report: curves of training, colours of networks, shares of the statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sw_mmseg.analysis import (
    by_layer,
    page,
    plot_curves,
    plot_network,
    ratio_table,
    read_scalars,
    to_html,
)
from sw_mmseg.analysis.style import Theme, series_colours
from sw_mmseg.studies.demo.rows import ADVERSARIAL, SELF_TRAINING, SOURCE_ONLY, Row

__all__ = ['colours', 'curve_figures', 'label', 'shown_networks', 'switches']


def shown_networks(rows: Sequence[Row]) -> list[Row]:
    """The first seed's rows that pictures compare: the first network from source only, every network adapted."""
    seed = rows[0].seed
    return [
        r
        for r in rows
        if r.seed == seed
        and (r.treatment == SELF_TRAINING or (r.treatment == SOURCE_ONLY and r.network == rows[0].network))
    ]


def label(row: Row) -> str:
    """'SW self-training'."""
    return f'{row.network.upper()} {row.treatment}'


def colours(rows: Sequence[Row], theme: Theme) -> dict[str, str]:
    """One colour a network, in curves (by its name) and bars (self-training); source only is grey."""
    shades = {}
    for network, shade in series_colours(dict.fromkeys(row.network.upper() for row in rows), theme).items():
        shades |= {network: shade, f'{network} {SELF_TRAINING}': shade, f'{network} {SOURCE_ONLY}': theme.muted}
    return shades


def curve_figures(rows: Sequence[Row], folders: dict[str, Path]) -> list[tuple[str, str, object]]:
    """(alt text, caption, draw) of every chart of the adversarial trainings of the first seed."""
    networks = [r.network for r in rows if r.treatment == ADVERSARIAL and r.seed == rows[0].seed]
    scalars = {n.upper(): read_scalars(folders[n]) for n in networks}

    def chart(name: str, curves: dict, ylabel: str, weight: float, reference=None):
        def draw(theme: Theme):
            return plot_curves(curves, ylabel, name, theme, colours(rows, theme), weight, reference)

        ends = ', '.join(f'{k} ends at {v[1][-1]:.2f}' for k, v in curves.items())
        caption = f'Every {curves_step(curves)} iterations, smoothed.' if weight else ''
        return f'{name}: {ends}', caption, draw

    def curves_step(curves: dict) -> int:
        steps = next(iter(curves.values()))[0]
        return steps[1] - steps[0] if len(steps) > 1 else steps[0]

    figures = []
    signals = (
        ('loss_seg', 'Segmentation loss on the source', 'cross entropy', 0.8, None),
        ('loss_adv', 'Adversarial loss on the target', 'cross entropy', 0.8, (math.log(2), 'chance')),
        ('dis_acc_target', "The discriminator's accuracy on the target", 'share right', 0.8, (0.5, 'chance')),
    )
    for key, name, ylabel, weight, reference in signals:
        curves = {n: s[key] for n, s in scalars.items() if key in s}
        if curves:
            figures.append(chart(name, curves, ylabel, weight, reference))
    validated = {n: s['mIoU'] for n, s in scalars.items() if len(s.get('mIoU', ([], []))[0]) > 1}
    if validated:
        figures.append(chart('Target mIoU while training', validated, 'mIoU (%)', 0.0))
    return figures


def switches(rows: Sequence[Row]) -> tuple[str, ...]:
    """What the switches of every network chose in self-training, first seed: a picture, and its numbers."""
    parts = []
    for row in rows:
        layers = by_layer({f'ratios/{name}': value for name, value in row.ratios.items()})
        if row.treatment == SELF_TRAINING and row.seed == rows[0].seed and layers:
            name = row.network.upper()
            words = f'Shares of the statistics at each site of {name}; the table beside it has the numbers'
            picture = page.figure(partial(plot_network, layers, name), words)
            parts.append(
                page.side_by_side(
                    [
                        picture,
                        to_html(ratio_table(layers, 'Weights of the statistics in each switch; all started equal.')),
                    ]
                )
            )
    return tuple(parts)
