"""Tables of the adaptation study, over the seeds that are there; a cell without a result stays empty."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sw_mmseg.analysis.tables import Table, mean_std
from sw_mmseg.running.methods import METHODS
from sw_mmseg.studies.adaptation.groups import LABELS, LEARNT_AGAIN, again, at_home, best_policy, grid, grouped, last
from sw_mmseg.studies.adaptation.runs import SOURCE, Result

__all__ = ['AGAIN', 'class_table', 'main_table', 'policy_table', 'same_domain']

AGAIN = f'SWa, {LEARNT_AGAIN}'
POLICIES = {  # as a table's heading
    'none': 'no running statistics',
    'source': "source's",
    'target': "target's",
    'both': "both's",
    're-estimated': 're-estimated',
    'switches': 'and switches',
    'disturbed': 'as trained, switches of disturbed source',
    'disturbed, re-estimated': 're-estimated after that',
}
LEARNT = 0.05  # IoU in percent, below which a class counts as never predicted


def main_table(results: Sequence[Result], target: str) -> Table:
    """Methods × norms, and SWa whose switches were learnt again; target mIoU of the last iteration."""
    table, groups = grid(results, target, last), grouped(results, target)
    methods = dict.fromkeys(method for method, _ in groups)
    extra = [again(groups[method, 'sw']) if (method, 'sw') in groups else None for method in methods]
    if not any(extra):
        return table
    return Table((*table.headings, AGAIN), tuple((*row, value) for row, value in zip(table.rows, extra)))


def same_domain(results: Sequence[Result]) -> Table | None:
    """What each norm reaches where it was trained: source labels and source images, the source's statistics."""
    groups = {norm: group for (method, norm), group in grouped(results, SOURCE).items() if method == 'sourceonly'}
    values = {LABELS[norm]: value for norm, group in groups.items() if (value := at_home(group)) is not None}
    if 'sw' in groups and values:
        values[AGAIN] = again(groups['sw'], 'source')
    return Table(tuple(values), (tuple(values.values()),)) if values else None


def policy_table(results: Sequence[Result], target: str, variation: str = '') -> Table:
    """(method, norm) -> target mIoU under every policy that was scored."""
    groups, rows = grouped(results, target, variation), []
    names = [name for name in POLICIES if any(name in r.scores for group in groups.values() for r in group)]
    for (method, norm), group in groups.items():
        scores = [
            mean_std([r.miou(name) for r in group]) if all(name in r.scores for r in group) else None for name in names
        ]
        rows.append((METHODS[method].row, LABELS[norm], len(group), *scores))
    return Table(('method', 'norm', 'seeds', *(POLICIES[name] for name in names)), tuple(rows))


def class_table(results: Sequence[Result], target: str, method: str) -> Table:
    """Class -> IoU of every norm under its best policy, mean over seeds (the columns of Table 6); classes that no
    network has learnt are named below."""
    groups = {norm: group for (name, norm), group in grouped(results, target).items() if name == method}
    columns = {}
    for norm, group in groups.items():
        policy = best_policy(group)
        columns[LABELS[norm]] = [
            statistics.mean(r.scores[policy]['target'][c] for r in group) for c in range(len(group[0].classes))
        ]
    classes = next(iter(groups.values()))[0].classes
    rows = [(name, *(column[i] for column in columns.values())) for i, name in enumerate(classes)]
    learnt = [row for row in rows if max(row[1:]) >= LEARNT]
    unlearnt = [row[0] for row in rows if row not in learnt]
    return Table(
        ('class', *columns),
        tuple(learnt or rows),
        f'Below {LEARNT} everywhere: {", ".join(unlearnt)}.' if learnt and unlearnt else '',
    )
