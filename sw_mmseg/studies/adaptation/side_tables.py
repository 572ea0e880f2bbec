"""Tables of the adaptation study beside the main one: other lengths and variations, ratios, costs, checkpoints."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from sw_mmseg.analysis.label_free import CRITERIA
from sw_mmseg.analysis.tables import Table
from sw_mmseg.running.methods import METHODS
from sw_mmseg.running.records import devices
from sw_mmseg.studies.adaptation.groups import (
    LABELS,
    LEARNT_AGAIN,
    again,
    at_home,
    best_policy,
    grouped,
    last,
    trained_variations,
    usual_length,
)
from sw_mmseg.studies.adaptation.runs import Result

__all__ = ['choice_table', 'cost_table', 'every_row', 'length_table', 'ratio_table', 'variation_table']


def cost_table(results: Sequence[Result], target: str) -> Table:
    """(method, norm) -> seconds and memory of a training."""
    rows = [
        (
            METHODS[method].row,
            LABELS[norm],
            round(statistics.mean(r.seconds for r in group)),
            round(statistics.mean(r.memory for r in group)),
        )
        for (method, norm), group in grouped(results, target).items()
    ]
    return Table(('method', 'norm', 'seconds', 'memory, MB'), tuple(rows))


def choice_table(results: Sequence[Result]) -> Table | None:
    """Criterion -> how far the checkpoint that it picks lies below the best on the target, over all trainings with
    several checkpoints; None where there are none."""
    histories = [r.history for r in results if len(r.history) > 1]
    if not histories:
        return None
    picks: dict[str, Callable[[dict], float]] = {
        'last iteration': lambda e: e['iteration'],
        'source validation': lambda e: e.get('source', e['iteration']),
    }
    picks |= {name: (lambda e, name=name, sign=sign: sign * e[name]) for name, sign in CRITERIA.items()}
    rows = []
    for name, key in picks.items():
        lost = [max(e['target'] for e in history) - max(history, key=key)['target'] for history in histories]
        rows.append((name, statistics.mean(lost), max(lost), 100 * sum(value == 0 for value in lost) / len(lost)))
    return Table(
        ('chosen by', 'mIoU below the best', 'at worst', 'right choice, %'),
        tuple(rows),
        f'{len(histories)} trainings, {len(histories[0])} checkpoints each.',
        digits=2,
    )


def length_table(results: Sequence[Result], target: str) -> Table | None:
    """What was also trained for another number of iterations, beside what it is at the usual one."""
    rows = []
    usual = usual_length(results)[0].iterations
    for length in sorted({r.iterations for r in results}):
        for (method, norm), group in grouped([r for r in results if r.iterations == length], target).items():
            rows.append(
                (
                    METHODS[method].row,
                    LABELS[norm],
                    length,
                    len(group),
                    last(group),
                    again(group),
                    at_home(group),
                    again(group, 'source'),
                    devices(group),
                )
            )
    also = {row[:2] for row in rows if row[2] != usual}
    rows = sorted((row for row in rows if row[:2] in also), key=lambda row: row[:3])
    return (
        Table(
            (
                'method',
                'norm',
                'iterations',
                'seeds',
                'target mIoU',
                LEARNT_AGAIN,
                "source mIoU, source's statistics",
                f'{LEARNT_AGAIN}, source mIoU',
                'on',
            ),
            tuple(rows),
        )
        if rows
        else None
    )


def ratio_table(results: Sequence[Result], target: str, norm: str = 'sw') -> Table | None:
    """(method, variation) -> share of instance whitening at every site, means and covariances; mean over seeds."""
    rows, sites = [], []
    for variation in trained_variations(results):
        for (method, name), group in grouped(results, target, variation).items():
            if name != norm:
                continue
            for kind in ('mean', 'cov'):
                keys = [key for key in group[0].ratios if key.endswith(f'/{kind}/iw')]
                sites = [key.split('/')[0].rpartition('.')[2] for key in keys]
                rows.append(
                    (
                        METHODS[method].row,
                        variation or 'as shipped',
                        {'mean': 'means', 'cov': 'covariances'}[kind],
                        *(statistics.mean(r.ratios[key] for r in group) for key in keys),
                    )
                )
    return Table(('method', 'switches', 'share of iw in', *sites), tuple(rows), digits=2) if rows else None


def variation_table(results: Sequence[Result], target: str) -> Table | None:
    """Norms under other rates of the switches and other batches, best policy each."""
    variations = trained_variations(r for r in results if r.target == target)
    if len(variations) < 2:
        return None
    rows = []
    for variation in variations:
        for (method, norm), group in grouped(results, target, variation).items():
            if any((method, norm) in grouped(results, target, other) for other in variations if other != variation):
                rows.append(
                    (
                        METHODS[method].row,
                        LABELS[norm],
                        variation or 'as shipped',
                        len(group),
                        last(group),
                        last(group, 'source'),
                        best_policy(group),
                        devices(group),
                    )
                )
    rows.sort(key=lambda row: (row[0], row[1]))
    return Table(
        ('method', 'norm', 'variation', 'seeds', 'target mIoU', 'source mIoU', 'best statistics', 'on'), tuple(rows)
    )


def every_row(results: Sequence[Result]) -> Table:
    """One row a training and policy, for reading back."""
    headings = (
        'method',
        'norm',
        'target',
        'variation',
        'seed',
        'iterations',
        'statistics',
        'target mIoU',
        'source mIoU',
        'best on target',
        'seconds',
        'memory MB',
        'command',
    )
    rows = [
        (
            r.method,
            r.norm,
            r.target,
            r.variation,
            r.seed,
            r.iterations,
            policy,
            r.miou(policy),
            r.miou(policy, 'source') if 'source' in domains else None,
            max(e['target'] for e in r.history),
            r.seconds,
            r.memory,
            r.command,
        )
        for r in results
        for policy, domains in r.scores.items()
    ]
    return Table(headings, tuple(rows))
