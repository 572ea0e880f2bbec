"""The section about switches: what each network's sites chose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sw_mmseg.analysis import Section, page, to_html
from sw_mmseg.analysis.importance import KINDS, Layers, ratio_table, task_mean, task_table
from sw_mmseg.analysis.importance_plots import plot_network, plot_ratio_curves, plot_tasks
from sw_mmseg.reporting.runs import Run, ratio_curves, ratios, whose_ratios
from sw_mmseg.running.errors import UserError

__all__ = ['described', 'importance', 'importance_of', 'ratios_or_none']

MOST_RUNS = 4  # whose curves of ratios are drawn


def importance(runs: Sequence[Run]) -> Section | None:
    """Bars a task, then every network's sites, table and curves."""
    layers_of = {run.label: layers for run in runs if (layers := ratios_or_none(run))}
    switching = [run for run in runs if run.label in layers_of]
    if not layers_of:
        return None
    tasks: dict[str, list[Layers]] = {}
    for run in switching:
        tasks.setdefault(run.task, []).append(layers_of[run.label])
    bars = {task: task_mean(networks) for task, networks in tasks.items()}
    parts = [
        page.side_by_side(
            [page.figure(lambda theme: plot_tasks(bars, theme=theme), described(bars)), to_html(task_table(tasks))]
        )
    ]
    for run in switching:
        parts += importance_of(run, layers_of[run.label], run in switching[:MOST_RUNS])
    return Section('What the switches chose', tuple(parts))


def described(bars: dict[str, dict[str, float]]) -> str:
    """Bars in words."""
    return 'Mean importance ratios: ' + '; '.join(
        f'{task}: ' + ', '.join(f'{word} {share:.2f}' for word, share in shares.items())
        for task, shares in bars.items()
    )


def importance_of(run: Run, layers: Layers, draw: bool) -> list[str]:
    """One network's."""
    table = to_html(ratio_table(layers, f'Ratios {whose_ratios(run)}.'))
    if not draw:
        return [page.heading(run.label), table]
    logged = ratio_curves(run)
    charts = [
        page.figure(
            lambda theme: plot_network(layers, 'What each site chose', theme),
            f'Shares of the statistics at each SW site of {run.label}; the table has the numbers',
        ),
        table,
    ]
    for kind, symbol in KINDS.items() if logged else ():
        title = f'{symbol} over training'
        charts.append(
            page.figure(partial(plot_ratio_curves, logged, kind, title), f'{title}, every layer of {run.label}')
        )
    return [page.heading(run.label), page.side_by_side(charts)]


def ratios_or_none(run: Run) -> Layers | None:
    """Of a run whose network switches."""
    if not ratio_curves(run) and run.checkpoint is None:
        return None
    try:
        return ratios(run)
    except UserError as error:
        if 'no layer that switches' in str(error):
            return None
        raise
