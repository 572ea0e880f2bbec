"""The comparisons that the study was made for, by the rule of `analysis.comparisons`: which differences are clear."""

from __future__ import annotations

from collections.abc import Sequence

from sw_mmseg.analysis.comparisons import Difference, differences, paired_differences, pooled_deviation
from sw_mmseg.analysis.tables import Table
from sw_mmseg.running.methods import METHODS
from sw_mmseg.studies.adaptation.groups import LABELS, best_policy, grouped
from sw_mmseg.studies.adaptation.runs import Result

__all__ = ['planned_table']

AGAIN = 'again'  # SWa whose switches were learnt again: the same networks, scored otherwise
Row = tuple[str, str]  # method; norm or AGAIN
Values = list[float]
RIVALS = [(norm, rival) for norm in ('sw', AGAIN) for rival in ('bn', 'in', 'iw')]
TRAINED = ('sourceonly', 'adaptsegnet', 'dacs')
ADDED = ('adaptsegnet', 'advent', 'dacs', 'jitter')
PLANNED: list[tuple[Row, Row]] = [
    *(((method, norm), (method, rival)) for method in TRAINED for norm, rival in RIVALS),
    *(((method, norm), ('sourceonly', norm)) for method in ADDED for norm in ('bn', 'in', 'iw', 'sw')),
]
REPEATED: list[tuple[Row, Row]] = [((method, AGAIN), (method, 'sw')) for method in (*TRAINED, 'jitter', 'oracle')]


def planned_table(results: Sequence[Result]) -> Table:
    """A row a comparison, a column a target and length: the difference of target mIoU and its interval, in bold where
    it leaves out zero. Rows of one machine alone are compared."""
    columns = {}
    for target in dict.fromkeys(r.target for r in results):
        for length in sorted({r.iterations for r in results if r.target == target}):
            column = _differences([r for r in results if r.iterations == length], target)
            if column:
                columns[f'{target}, {length:,}'] = column
    rows = [
        (_words(*pair), *(_cell(column.get(pair)) for column in columns.values()))
        for pair in PLANNED + REPEATED
        if any(pair in column for column in columns.values())
    ]
    return Table(('comparison', *columns), tuple(rows), _caption(results))


def _differences(results: Sequence[Result], target: str) -> dict[tuple[Row, Row], Difference]:
    groups = _values(results, target)
    known = [pair for pair in PLANNED if all(row in groups for row in pair)]
    repeated = [pair for pair in REPEATED if all(row in groups for row in pair)]
    every = len(known) + len(repeated)
    pooled = [values for (_, norm), values in groups.items() if norm != AGAIN]
    unpaired = differences([(groups[a], groups[b]) for a, b in known], pooled, every)
    steps = paired_differences([(groups[a], groups[b]) for a, b in repeated], every)
    return dict(zip([*known, *repeated], [*unpaired, *steps]))


def _values(results: Sequence[Result], target: str) -> dict[Row, Values]:
    """Target mIoU of every seed under the group's best statistics, of the machine that most groups ran on."""
    groups = grouped(results, target)
    machines = [group[0].device for group in groups.values()]
    machine = max(machines, key=machines.count) if machines else ''
    values: dict[Row, Values] = {}
    for key, group in groups.items():
        if any(r.device != machine for r in group):
            continue
        policy = best_policy(group)
        values[key] = [r.miou(policy) for r in group]
        if key[1] == 'sw' and all('disturbed' in r.scores for r in group):
            values[key[0], AGAIN] = [r.miou('disturbed') for r in group]
    return values


def _caption(results: Sequence[Result]) -> str:
    parts = []
    for target in dict.fromkeys(r.target for r in results):
        for length in sorted({r.iterations for r in results if r.target == target}):
            values = _values([r for r in results if r.iterations == length], target)
            deviation, freedom = pooled_deviation([v for (_, norm), v in values.items() if norm != AGAIN])
            if freedom:
                parts.append(f'{target}, {length:,}: {deviation:.2f} ({freedom} degrees of freedom)')
    return f'Pooled deviation over seeds, mIoU: {"; ".join(parts)}.'


def _cell(difference: Difference | None) -> str | None:
    if difference is None:
        return None
    return f'**{difference}**' if difference.clear else str(difference)


def _words(first: Row, second: Row) -> str:
    """'SWa − BN, AdaptSegNet', or 'AdaptSegNet − source only, BN'."""
    if first[0] == second[0]:
        return f'{_norm(first[1])} − {_norm(second[1])}, {METHODS[first[0]].row}'
    return f'{METHODS[first[0]].row} − {METHODS[second[0]].row}, {_norm(first[1])}'


def _norm(word: str) -> str:
    return f'{LABELS["sw"]} again' if word == AGAIN else LABELS[word]
