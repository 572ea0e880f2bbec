"""What the adaptation study writes: tables, plots, and the marked sections of docs/adaptation.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch

from sw_mmseg.analysis.grid import plot_grid
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import to_csv, to_markdown
from sw_mmseg.running.methods import METHODS
from sw_mmseg.running.records import devices
from sw_mmseg.studies.adaptation.cells import SOURCE, Result
from sw_mmseg.studies.adaptation.groups import (
    LABELS,
    again,
    best_on_target,
    best_policy,
    domain_distance,
    grid,
    grouped,
    last,
    usual_length,
)
from sw_mmseg.studies.adaptation.planned import planned_table
from sw_mmseg.studies.adaptation.side_tables import (
    choice_table,
    cost_table,
    every_row,
    length_table,
    ratio_table,
    variation_table,
)
from sw_mmseg.studies.adaptation.tables import AGAIN, class_table, main_table, policy_table, same_domain
from sw_mmseg.studies.documents import fill

__all__ = ['fill_docs', 'measured', 'plot', 'sections', 'summary', 'targets_of', 'write']


def targets_of(results: Sequence[Result]) -> list[str]:
    """Targets that have results, 'varied' first."""
    return sorted({r.target for r in results}, key=lambda name: (name != 'varied', name))


def plot(results: Sequence[Result], target: str) -> bytes:
    """PNG of target mIoU, every seed, best policy each."""
    scores: dict[str, dict[str, list[float]]] = {}
    for (method, norm), group in grouped(results, target).items():
        policy = best_policy(group)
        of_method = scores.setdefault(METHODS[method].row, {})
        of_method[LABELS[norm]] = [r.miou(policy) for r in group]
        if norm == 'sw' and again(group):
            of_method[AGAIN] = [r.miou('disturbed') for r in group]
    return figure_png(lambda theme: plot_grid(scores, 'target mIoU (%)', f'Streets, {target} target', theme), LIGHT)


def sections(every: Sequence[Result], target: str) -> list[str]:
    """Everything about one target, as Markdown."""
    results = usual_length(every)
    same = same_domain(results) if target == SOURCE else None
    parts = ['mIoU on the source, trained on the source alone, with its statistics:', to_markdown(same)] if same else []
    parts += [
        'Target mIoU, each norm with its best statistics (chosen with target labels, of the table below):',
        to_markdown(main_table(results, target)),
        'Source mIoU of the same networks, with the same statistics:',
        to_markdown(grid(results, target, lambda group: last(group, 'source'))),
        'Best checkpoint on the target, under the statistics that training left; its choice needs target labels:',
        to_markdown(grid(results, target, best_on_target)),
        '100 MMD² between source and target features, mean over 13 convolutions, under the same statistics:',
        to_markdown(grid(results, target, domain_distance)),
        'Statistics policies, target mIoU:',
        to_markdown(policy_table(results, target)),
    ]
    both = policy_table(results, target, 'both')
    if both.rows:
        about = devices([r for r in results if r.target == target and r.variation == 'both'])
        parts += [
            f'Running statistics that both domains move, in trainings of their own on {about}, target mIoU:',
            to_markdown(both),
        ]
    for name, table in (
        ('Other lengths of training:', length_table(every, target)),
        ('Variations:', variation_table(results, target)),
        ('What the switches chose:', ratio_table(results, target)),
    ):
        parts += [name, to_markdown(table)] if table else []
    for method in ('sourceonly', 'adaptsegnet'):
        if any(name == method for name, _ in grouped(results, target)):
            parts += [
                f"IoU by class, {METHODS[method].row} (Table 6's columns):",
                to_markdown(class_table(results, target, method)),
            ]
    return [part.strip() for part in parts]


def measured(results: Sequence[Result]) -> str:
    """What the numbers are of."""
    iterations = sorted({r.iterations for r in results})
    seeds = max(
        (len(group) for target in targets_of(results) for group in grouped(results, target).values()), default=1
    )
    return (
        f'mIoU in percent after the last of {" or ".join(map(str, iterations))} iterations, on images that no '
        f'training saw; mean ± sample standard deviation of up to {seeds} seeds. {devices(results)}, '
        f'torch {torch.__version__.split("+")[0]}, {date.today().isoformat()}.'
    )


def summary(results: Sequence[Result]) -> str:
    """The first table of every target, of the usual number of iterations."""
    results = usual_length(results)
    return '\n'.join(
        f'{target or "target"}\n{to_markdown(grid(results, target, last))}' for target in targets_of(results)
    )


def write(folder: Path, every: Sequence[Result]) -> list[str]:
    """results.csv, results.md and a plot a target; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'results.csv').write_text(to_csv(every_row(every)))
    results = usual_length(every)
    texts, names, targets = [measured(results)], ['results.csv', 'results.md'], targets_of(results)
    for target in targets:
        texts += [f'## {target or "target"}', *sections(every, target)]
        names.append(f'{target or "target"}.png')
        (folder / names[-1]).write_bytes(plot(results, target))
    texts += ['## Comparisons', to_markdown(planned_table(every))]
    choice = choice_table(results)
    texts += ['## Choosing a checkpoint without labels', to_markdown(choice)] if choice else []
    texts += ['## Cost', to_markdown(cost_table(results, targets[0]))]
    (folder / 'results.md').write_text('\n\n'.join(text.strip() for text in texts) + '\n')
    return names


def fill_docs(docs: Path, every: Sequence[Result]) -> None:
    """The marked sections of docs/adaptation.md, and its pictures."""
    results = usual_length(every)
    for target in targets_of(results):
        picture = docs / 'images' / f'adaptation_{target}.png'
        picture.write_bytes(plot(results, target))
        image = f'![Target mIoU of every method, norm and seed](images/{picture.name})'
        target_results = [r for r in results if r.target == target]
        about = measured([r for r in target_results if not r.variation] or target_results)
        fill(docs / 'adaptation.md', f'study, {target}', '\n\n'.join([image, about, *sections(every, target)]))
    fill(docs / 'adaptation.md', 'comparisons', to_markdown(planned_table(every)))
    choice = choice_table(results)
    fill(docs / 'adaptation.md', 'choice', to_markdown(choice) if choice else 'No training kept several checkpoints.')
    fill(docs / 'adaptation.md', 'cost', to_markdown(cost_table(results, targets_of(results)[0])))
