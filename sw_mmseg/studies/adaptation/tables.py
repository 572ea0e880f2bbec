"""Tables of the adaptation study, over the seeds that are there; a cell without a result stays empty."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from sw_mmseg.analysis.label_free import CRITERIA
from sw_mmseg.analysis.tables import Table, mean_std
from sw_mmseg.running.methods import METHODS
from sw_mmseg.running.records import devices
from sw_mmseg.studies.adaptation.runs import SOURCE, Result
from sw_mmseg.whitening import NORMS

__all__ = ['AGAIN', 'LABELS', 'again', 'at_home', 'best_on_target', 'best_policy', 'choice_table', 'class_table',
           'cost_table', 'domain_distance', 'every_row', 'grid', 'grouped', 'last', 'length_table', 'main_table',
           'policy_table', 'ratio_table', 'same_domain', 'trained_variations', 'usual_length', 'variation_table']

LABELS = {word: norm.title for word, norm in NORMS.items()}
Key = tuple[str, str]  # method, norm
LEARNT_AGAIN = 'switches learnt again'
AGAIN = f'SWa, {LEARNT_AGAIN}'
POLICIES = {  # as a table's heading
    'none': 'no running statistics', 'source': "source's", 'target': "target's", 'both': "both's",
    're-estimated': 're-estimated', 'switches': 'and switches', 'disturbed': 'as trained, switches of disturbed source',
    'disturbed, re-estimated': 're-estimated after that',
}
LEARNT = 0.05  # IoU in percent, below which a class counts as never predicted


def grouped(results: Sequence[Result], target: str = '', variation: str = '') -> dict[Key, list[Result]]:
    """(method, norm) -> its seeds, in the order of METHODS and NORMS."""
    wanted = [r for r in results if r.target == target and r.variation == variation]
    keys = sorted({(r.method, r.norm) for r in wanted}, key=lambda key: (list(METHODS).index(key[0]),
                                                                         list(NORMS).index(key[1])))
    return {key: [r for r in wanted if (r.method, r.norm) == key] for key in keys}


def best_policy(group: Sequence[Result]) -> str:
    """The statistics with the highest mean target mIoU over seeds: chosen with target labels, which the text says.
    Switches that were re-estimated too are no statistics, which other norms have as well, and stay out."""
    policies = [policy for policy in group[0].scores
                if not policy.startswith(('switches', 'disturbed')) and all(policy in r.scores for r in group)]
    return max(policies, key=lambda policy: statistics.mean(r.miou(policy) for r in group))


def grid(results: Sequence[Result], target: str, value: Callable[[Sequence[Result]], object],
         variation: str = '') -> Table:
    """Methods × norms, of whatever `value` makes of a group."""
    groups = grouped(results, target, variation)
    norms = [norm for norm in NORMS if any(key[1] == norm for key in groups)]
    methods = dict.fromkeys(method for method, _ in groups)
    rows = tuple((METHODS[method].row, *(value(groups[method, norm]) if (method, norm) in groups else None
                                                 for norm in norms)) for method in methods)
    return Table(('method', *(LABELS[norm] for norm in norms)), rows)


def last(group: Sequence[Result], domain: str = 'target') -> float | str | None:
    """mIoU of the last iteration under the group's best policy."""
    policy = best_policy(group)
    if domain not in group[0].scores[policy]:
        return None
    return mean_std([r.miou(policy, domain) for r in group])


def again(group: Sequence[Result], domain: str = 'target') -> float | str | None:
    """The same where the switches were learnt again on source images in disturbed light, statistics as trained."""
    if any(domain not in r.scores.get('disturbed', {}) for r in group):
        return None
    return mean_std([r.miou('disturbed', domain) for r in group])


def at_home(group: Sequence[Result]) -> float | str | None:
    """mIoU on the source under its own statistics."""
    policies = ['source' if 'source' in r.scores else 'none' for r in group]
    if any('source' not in r.scores.get(policy, {}) for r, policy in zip(group, policies)):
        return None
    return mean_std([r.miou(policy, 'source') for r, policy in zip(group, policies)])


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
    return Table(tuple(values), (tuple(values.values()), )) if values else None


def best_on_target(group: Sequence[Result]) -> float | str:
    """The best kept checkpoint of each seed, under the statistics that training left."""
    return mean_std([max(entry['target'] for entry in r.history) for r in group])


def domain_distance(group: Sequence[Result]) -> str | None:
    """100 MMD² between source and target features, mean over the convolutions that are looked at."""
    values = [100 * statistics.mean(r.distances.values()) for r in group if r.distances]
    return mean_std(values) if values else None


def policy_table(results: Sequence[Result], target: str, variation: str = '') -> Table:
    """(method, norm) -> target mIoU under every policy that was scored."""
    groups, rows = grouped(results, target, variation), []
    names = [name for name in POLICIES if any(name in r.scores for group in groups.values() for r in group)]
    for (method, norm), group in groups.items():
        scores = [mean_std([r.miou(name) for r in group]) if all(name in r.scores for r in group) else None
                  for name in names]
        rows.append((METHODS[method].row, LABELS[norm], len(group), *scores))
    return Table(('method', 'norm', 'seeds', *(POLICIES[name] for name in names)), tuple(rows))


def cost_table(results: Sequence[Result], target: str) -> Table:
    """(method, norm) -> seconds and memory of a training."""
    rows = [(METHODS[method].row, LABELS[norm], round(statistics.mean(r.seconds for r in group)),
             round(statistics.mean(r.memory for r in group)))
            for (method, norm), group in grouped(results, target).items()]
    return Table(('method', 'norm', 'seconds', 'memory, MB'), tuple(rows))


def choice_table(results: Sequence[Result]) -> Table:
    """Criterion -> how far the checkpoint that it picks lies below the best on the target, over all trainings."""
    histories = [r.history for r in results if len(r.history) > 1]
    picks: dict[str, Callable[[dict], float]] = {'last iteration': lambda e: e['iteration'],
                                                 'source validation': lambda e: e.get('source', e['iteration'])}
    picks |= {name: (lambda e, name=name, sign=sign: sign * e[name]) for name, sign in CRITERIA.items()}
    rows = []
    for name, key in picks.items():
        lost = [max(e['target'] for e in history) - max(history, key=key)['target'] for history in histories]
        rows.append((name, statistics.mean(lost), max(lost), 100 * sum(value == 0 for value in lost) / len(lost)))
    return Table(('chosen by', 'mIoU below the best', 'at worst', 'right choice, %'), tuple(rows),
                 f'{len(histories)} trainings, {len(histories[0])} checkpoints each.', digits=2)


def class_table(results: Sequence[Result], target: str, method: str) -> Table:
    """Class -> IoU of every norm under its best policy, mean over seeds (the columns of Table 6); classes that no
    network has learnt are named below."""
    groups = {norm: group for (name, norm), group in grouped(results, target).items() if name == method}
    columns = {}
    for norm, group in groups.items():
        policy = best_policy(group)
        columns[LABELS[norm]] = [statistics.mean(r.scores[policy]['target'][c] for r in group)
                                 for c in range(len(group[0].classes))]
    classes = next(iter(groups.values()))[0].classes
    rows = [(name, *(column[i] for column in columns.values())) for i, name in enumerate(classes)]
    learnt = [row for row in rows if max(row[1:]) >= LEARNT]
    unlearnt = [row[0] for row in rows if row not in learnt]
    return Table(('class', *columns), tuple(learnt or rows), f'Below {LEARNT} everywhere: {", ".join(unlearnt)}.'
                 if learnt and unlearnt else '')


def usual_length(results: Sequence[Result]) -> list[Result]:
    """The results of the number of iterations that most have: the others stand in a table of their own."""
    lengths = [r.iterations for r in results]
    return [r for r in results if r.iterations == max(lengths, key=lengths.count)]


def length_table(results: Sequence[Result], target: str) -> Table | None:
    """What was also trained for another number of iterations, beside what it is at the usual one."""
    rows = []
    usual = usual_length(results)[0].iterations
    for length in sorted({r.iterations for r in results}):
        for (method, norm), group in grouped([r for r in results if r.iterations == length], target).items():
            rows.append((METHODS[method].row, LABELS[norm], length, len(group), last(group), again(group),
                         at_home(group), again(group, 'source'), devices(group)))
    also = {row[:2] for row in rows if row[2] != usual}
    rows = sorted((row for row in rows if row[:2] in also), key=lambda row: row[:3])
    return Table(('method', 'norm', 'iterations', 'seeds', 'target mIoU', LEARNT_AGAIN,
                  "source mIoU, source's statistics", f'{LEARNT_AGAIN}, source mIoU', 'on'),
                 tuple(rows)) if rows else None


def trained_variations(results: Iterable[Result]) -> list[str]:
    """The variations in which weights or switches are trained otherwise: not 'both', whose buffers alone differ."""
    return [name for name in dict.fromkeys(r.variation for r in results) if name != 'both']


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
                rows.append((METHODS[method].row, variation or 'as shipped',
                             {'mean': 'means', 'cov': 'covariances'}[kind],
                             *(statistics.mean(r.ratios[key] for r in group) for key in keys)))
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
                rows.append((METHODS[method].row, LABELS[norm], variation or 'as shipped', len(group),
                             last(group), last(group, 'source'), best_policy(group), devices(group)))
    rows.sort(key=lambda row: (row[0], row[1]))
    return Table(('method', 'norm', 'variation', 'seeds', 'target mIoU', 'source mIoU', 'best statistics', 'on'),
                 tuple(rows))


def every_row(results: Sequence[Result]) -> Table:
    """One row a training and policy, for reading back."""
    headings = ('method', 'norm', 'target', 'variation', 'seed', 'iterations', 'statistics', 'target mIoU',
                'source mIoU', 'best on target', 'seconds', 'memory MB', 'command')
    rows = [(r.method, r.norm, r.target, r.variation, r.seed, r.iterations, policy, r.miou(policy),
             r.miou(policy, 'source') if 'source' in domains else None, max(e['target'] for e in r.history),
             r.seconds, r.memory, r.command)
            for r in results for policy, domains in r.scores.items()]
    return Table(headings, tuple(rows))
