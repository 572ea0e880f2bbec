"""The demo's results as a table and as sentences, which are made from the numbers and say what these show, no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sw_mmseg.analysis import Table, mean_std
from sw_mmseg.analysis.comparisons import leaders
from sw_mmseg.running.scoring import miou
from sw_mmseg.studies.demo.rows import (
    ADVERSARIAL,
    SELF_TRAINING,
    SOURCE_ONLY,
    STATISTICS,
    SWITCHES,
    TREATMENTS,
    Row,
)

__all__ = ['grouped', 'result_table', 'sentences']


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(network, treatment) -> one row a seed, in the order of the table."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for network in dict.fromkeys(row.network for row in rows):
        for treatment in TREATMENTS:
            members = [row for row in rows if (row.network, row.treatment) == (network, treatment)]
            if members:
                groups[network, treatment] = members
    return groups


def result_table(rows: Sequence[Row], images: int) -> Table:
    """Network × treatment -> mIoU on target and source, running statistics, seconds."""
    groups = grouped(rows)
    cells = [
        (
            network.upper(),
            treatment,
            mean_std([miou(r.target) for r in group]),
            mean_std([miou(r.categories) for r in group]),
            mean_std([miou(r.source) for r in group]),
            group[0].statistics,
            round(np.mean([r.seconds for r in group])),
        )
        for (network, treatment), group in groups.items()
    ]
    seeds = len({row.seed for row in rows})
    spread = f' Mean ± sample standard deviation of {seeds} seeds.' if seeds > 1 else ''
    return Table(
        ('network', 'treatment', 'target, 19 classes', 'target, 7 categories', 'source', 'statistics', 'seconds'),
        tuple(cells),
        f'mIoU in percent over {images} target images that no training saw, after the last iteration.{spread}',
        strong=leaders([[miou(row.target) for row in group] for group in groups.values()]),
    )


def sentences(rows: Sequence[Row], iterations: int, adapted_iterations: int) -> list[str]:
    """What the table shows, in words made from its numbers."""
    mean = {key: float(np.mean([miou(r.target) for r in group])) for key, group in grouped(rows).items()}
    source = {key: float(np.mean([miou(r.source) for r in group])) for key, group in grouped(rows).items()}
    lines = []
    for network in dict.fromkeys(row.network for row in rows):
        alone = (network, SOURCE_ONLY)
        text = (
            f'{network.upper()}, trained on the source alone: {source[alone]:.1f} mIoU on source images it has not '
            f'seen, {mean[alone]:.1f} on the target.'
        )
        if grouped(rows)[network, STATISTICS][0].statistics.startswith('target'):
            text += f' With running statistics of target images and no training: {mean[network, STATISTICS]:.1f}.'
        else:
            text += ' It keeps no running statistics, so there are none to adapt.'
        if (network, SWITCHES) in mean:
            text += f' With its switches learnt again on source images in other light: {mean[network, SWITCHES]:.1f}.'
        for treatment, name in ((ADVERSARIAL, 'Adversarial training'), (SELF_TRAINING, 'Self-training')):
            if (network, treatment) in mean:
                text += f' {name} from there: {mean[network, treatment]:.1f}.'
        lines.append(text)
    (first, best), (second, next_best) = sorted(mean.items(), key=lambda item: -item[1])[:2]
    lines.append(
        f'Highest here: {first[0].upper()} {first[1]} ({best:.1f}), then {second[0].upper()} {second[1]} '
        f'({next_best:.1f}).'
    )
    seeds = len({row.seed for row in rows})
    noise = (
        'Each row is one training with one seed. How far seeds lie apart was not measured, so small differences '
        'between rows mean nothing; --seeds 0 1 2 measures it.'
        if seeds == 1
        else f'Each row is {seeds} trainings. In bold: the highest mean, and every row that {seeds} seeds do not '
        'tell from it (95 % intervals of all differences, with a pooled deviation).'
    )
    lines.append(
        f'{noise} {iterations} iterations on the source and {adapted_iterations} more on both domains, on drawn '
        'scenes, say little about a full training on real images.'
    )
    return lines
