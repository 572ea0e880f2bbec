"""Tables of the study of choices on photographs, over the seeds that are there."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sw_mmseg.analysis.comparisons import Difference, differences, paired_differences
from sw_mmseg.analysis.tables import Table, mean_std, to_markdown
from sw_mmseg.running import records
from sw_mmseg.running.methods import METHODS
from sw_mmseg.studies.photographs.choices import PARTS
from sw_mmseg.studies.photographs.report import TITLES
from sw_mmseg.studies.photographs.trials import TrialResult

__all__ = ['norm_table', 'part_table', 'section', 'steps']

Network = tuple[str, str, str, int]  # data, method, norm, iterations
AS_TRAINED = 'blend 0'
BESIDE = {AS_TRAINED: 'as trained', 'blend auto': 'blended, auto', 're-estimated': 're-estimated'}
Groups = dict[tuple[Network, str], dict[int, TrialResult]]  # network and way -> seed -> result


def grouped(results: Sequence[TrialResult], part: str) -> Groups:
    """Those of a part, ways of one network together: the first one first, then by amounts, as a person reads them."""
    groups: Groups = {}
    first = PARTS[part].first
    for result in sorted(
        (r for r in results if r.part == part),
        key=lambda r: (
            list(TITLES).index(r.data),
            list(METHODS).index(r.method),
            r.norm,
            r.iterations,
            r.way != first,
            r.amount is None,
            r.amount or 0,
            r.way,
            r.seed,
        ),
    ):
        network = (result.data, result.method, result.norm, result.iterations)
        groups.setdefault((network, result.way), {})[result.seed] = result
    return groups


def steps(groups: Groups, part: str) -> dict[tuple[Network, str], Difference]:
    """Every way minus the first one of the same network, by test mIoU and the rule of `analysis.comparisons`; of the
    same networks, seeds that both have."""
    first, scores = PARTS[part].first, {key: [r.miou() for r in seeds.values()] for key, seeds in groups.items()}
    pairs = {}
    for (network, way), seeds in groups.items():
        start = groups.get((network, first), {})
        both = sorted(seeds.keys() & start.keys())
        if way != first and both:
            pairs[network, way] = (
                ([seeds[seed].miou() for seed in both], [start[seed].miou() for seed in both])
                if PARTS[part].same_networks
                else (scores[network, way], scores[network, first])
            )
    compared = (
        paired_differences(list(pairs.values()))
        if PARTS[part].same_networks
        else differences(list(pairs.values()), list(scores.values()))
    )
    return dict(zip(pairs, compared))


def part_table(results: Sequence[TrialResult], part: str) -> Table:
    """A row a network and way: test mIoU, its difference to the first way, and what it took."""
    groups = grouped(results, part)
    compared = steps(groups, part)
    rows = []
    for key, seeds in groups.items():
        (data, method, norm, iterations), way = key
        group, step = list(seeds.values()), compared.get(key)
        again = [r.miou('test', 're-estimated') for r in group if 're-estimated' in r.scores['test']]
        rows.append(
            (
                TITLES[data],
                f'{METHODS[method].title}, {norm.upper()}',
                iterations,
                way,
                len(group),
                mean_std([r.miou() for r in group]),
                None if step is None else f'**{step}**' if step.clear else str(step),
                mean_std(again) if again else None,
                mean_std([r.miou('val') for r in group]),
                statistics.mean(r.processor_seconds for r in group) / 60,
            )
        )
    headings = ('shift', 'network', 'iterations', 'way', 'seeds', 'test', f'minus {PARTS[part].first}')
    return Table((*headings, 'test, re-estimated', 'validation', 'minutes'), tuple(rows))


def norm_table(results: Sequence[TrialResult]) -> Table:
    """SW as trained beside BN with each kind of statistics, of networks that differ in the norm: test mIoU."""
    groups = {key: [r.miou() for r in seeds.values()] for key, seeds in grouped(results, 'blend').items()}
    rows, pairs = [], []
    for ((data, method, norm, iterations), way), baseline in groups.items():
        with_sw = groups.get(((data, method, 'sw', iterations), AS_TRAINED))
        if norm == 'bn' and way in BESIDE and with_sw:
            pairs.append((with_sw, baseline))
            rows.append(
                (
                    *(TITLES[data], METHODS[method].title, iterations, f'BN, {BESIDE[way]}'),
                    *(len(baseline), mean_std(baseline), mean_std(with_sw)),
                )
            )
    steps = [f'**{step}**' if step.clear else str(step) for step in differences(pairs)]
    headings = (
        'shift',
        'network',
        'iterations',
        'norm and statistics',
        'seeds',
        'test',
        'SW as trained',
        'SW minus BN',
    )
    return Table(headings, tuple((*row, step) for row, step in zip(rows, steps)))


def section(results: Sequence[TrialResult]) -> str:
    """The measured section of docs/choose.md."""
    blocks = []
    for part, entry in PARTS.items():
        chosen = [r for r in results if r.part == part]
        if chosen:
            table = without_empty(part_table(chosen, part))
            blocks += [f'### {entry.title}', f'Measured on {records.devices(chosen)}.', to_markdown(table).rstrip('\n')]
    beside = norm_table(results)
    if beside.rows:
        blocks += ['### SW as trained beside BN', to_markdown(beside).rstrip('\n')]
    return '\n\n'.join(blocks)


def without_empty(table: Table) -> Table:
    """The table without columns in which nothing stands."""
    kept = [column for column in range(len(table.headings)) if any(row[column] is not None for row in table.rows)]
    return Table(
        tuple(table.headings[column] for column in kept),
        tuple(tuple(row[column] for column in kept) for row in table.rows),
    )
