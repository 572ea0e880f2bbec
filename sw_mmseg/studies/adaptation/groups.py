"""Results of the adaptation study by method and norm, and what is said of such a group of seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from sw_mmseg.analysis.tables import Table, mean_std
from sw_mmseg.running.methods import METHODS
from sw_mmseg.studies.adaptation.runs import Result
from sw_mmseg.whitening import NORMS

__all__ = [
    'LABELS',
    'LEARNT_AGAIN',
    'again',
    'at_home',
    'best_on_target',
    'best_policy',
    'domain_distance',
    'grid',
    'grouped',
    'last',
    'trained_variations',
    'usual_length',
]


LEARNT_AGAIN = 'switches learnt again'
LABELS = {word: norm.title for word, norm in NORMS.items()}


Key = tuple[str, str]  # method, norm


def grouped(results: Sequence[Result], target: str = '', variation: str = '') -> dict[Key, list[Result]]:
    """(method, norm) -> its seeds, in the order of METHODS and NORMS."""
    selected = [r for r in results if r.target == target and r.variation == variation]
    keys = sorted(
        {(r.method, r.norm) for r in selected}, key=lambda key: (list(METHODS).index(key[0]), list(NORMS).index(key[1]))
    )
    return {key: [r for r in selected if (r.method, r.norm) == key] for key in keys}


def best_policy(group: Sequence[Result]) -> str:
    """The statistics with the highest mean target mIoU over seeds: chosen with target labels, which the text says.
    Switches that were re-estimated too are no statistics, which other norms have as well, and stay out."""
    policies = [
        policy
        for policy in group[0].scores
        if not policy.startswith(('switches', 'disturbed')) and all(policy in r.scores for r in group)
    ]
    return max(policies, key=lambda policy: statistics.mean(r.miou(policy) for r in group))


def grid(
    results: Sequence[Result], target: str, value: Callable[[Sequence[Result]], object], variation: str = ''
) -> Table:
    """Methods × norms, of whatever `value` makes of a group."""
    groups = grouped(results, target, variation)
    norms = [norm for norm in NORMS if any(key[1] == norm for key in groups)]
    methods = dict.fromkeys(method for method, _ in groups)
    rows = tuple(
        (METHODS[method].row, *(value(groups[method, norm]) if (method, norm) in groups else None for norm in norms))
        for method in methods
    )
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


def best_on_target(group: Sequence[Result]) -> float | str:
    """The best kept checkpoint of each seed, under the statistics that training left."""
    return mean_std([max(entry['target'] for entry in r.history) for r in group])


def domain_distance(group: Sequence[Result]) -> str | None:
    """100 MMD² between source and target features, mean over the convolutions that are looked at."""
    values = [100 * statistics.mean(r.distances.values()) for r in group if r.distances]
    return mean_std(values) if values else None


def usual_length(results: Sequence[Result]) -> list[Result]:
    """The results of the number of iterations that most have: the others stand in a table of their own."""
    lengths = [r.iterations for r in results]
    return [r for r in results if r.iterations == max(lengths, key=lengths.count)]


def trained_variations(results: Iterable[Result]) -> list[str]:
    """The variations in which weights or switches are trained otherwise: not 'both', whose buffers alone differ."""
    return [name for name in dict.fromkeys(r.variation for r in results) if name != 'both']
