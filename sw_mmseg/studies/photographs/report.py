"""Tables of the study on photographs, over the seeds that are there."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

from sw_mmseg.analysis.comparisons import differences
from sw_mmseg.analysis.tables import Table, mean_std, to_markdown
from sw_mmseg.running import records
from sw_mmseg.running.dependencies import types_in
from sw_mmseg.running.methods import METHODS
from sw_mmseg.studies.photographs.cells import DATA, Result
from sw_mmseg.studies.photographs.settings import difference, setting_of, without

__all__ = [
    'Key',
    'class_table',
    'comparison_table',
    'grouped',
    'main_table',
    'norm_table',
    'section',
    'setting_table',
    'share_closed',
]

TITLES = {'streets2camvid': 'Drawn streets to photographs', 'camvid_day2dusk': 'Photographs by day to dusk'}
START, CEILING = 'jitter', 'oracle'  # source only, disturbed; target labels
Key = tuple[str, str, int, str]
Groups = dict[Key, list[Result]]


def grouped(results: Sequence[Result], data: str) -> Groups:
    """(method, norm, iterations, setting) -> its seeds, in the order of the methods; only settings with a title."""
    groups: Groups = {}
    for r in sorted(results, key=lambda r: (list(METHODS).index(r.method), r.setting, r.norm, r.iterations, r.seed)):
        if r.data == data and (not r.setting or setting_of(r.setting).title):
            groups.setdefault((r.method, r.norm, r.iterations, r.setting), []).append(r)
    return groups


def _named(name: str, setting: str) -> str:
    """A method's name, with its setting's title."""
    return f'{name}, {setting_of(setting).title}' if setting else name


def main_table(groups: Groups) -> Table:
    """A row a method, norm and length: test mIoU with either statistics, and what it took."""
    rows = [
        (
            _named(METHODS[method].row, setting),
            norm.upper(),
            iterations,
            len(group),
            *(mean_std([r.miou('test', kind) for r in group]) for kind in ('trained', 're-estimated')),
            mean_std([r.miou('val') for r in group]),
            statistics.mean(r.processor_seconds for r in group) / 60,
        )
        for (method, norm, iterations, setting), group in groups.items()
    ]
    return Table(
        ('method', 'norm', 'iterations', 'seeds', 'test', 'test, re-estimated', 'validation', 'minutes'), tuple(rows)
    )


def class_table(groups: Groups) -> Table:
    """IoU of every class on the test part, mean over seeds, a row a training, of the networks with BN alone."""
    groups = {key: group for key, group in groups.items() if _is_plain(key)} or groups
    classes = next(iter(groups.values()))[0].classes
    rows = [
        (_row_name(key), *(statistics.mean(values) for values in zip(*(r.scores['test']['trained'] for r in group))))
        for key, group in groups.items()
    ]
    return Table(('training', *classes), tuple(rows))


def share_closed(groups: Groups, method: str = 'cbst', norm: str = 'bn') -> float | None:
    """Percent of the way from source only to target labels that a method goes, means over seeds, all of one length (the
    method's longest); None where a row is missing."""
    length = max((key[2] for key in groups if (key[0], key[1], key[3]) == (method, norm, '')), default=0)
    rows = [groups.get((name, norm, length, '')) for name in (START, method, CEILING)]
    if None in rows:
        return None
    start, score, ceiling = (statistics.mean(r.miou() for r in row or []) for row in rows)
    return 100 * (score - start) / (ceiling - start) if ceiling > start else None


def comparison_table(groups: Groups) -> Table | None:
    """Every row with BN alone against the source-only one of its length and setting, and against those whose setting
    differs in one part, by test mIoU; None where there is nothing to compare."""
    plain = {key: group for key, group in groups.items() if _is_plain(key)}
    pairs = [(key, (START, 'bn', key[2], without('method', key[3]))) for key in plain]
    pairs += filter(None, itertools.starmap(_one_change, itertools.combinations(plain, 2)))
    scored = {key: (_row_name(key), [r.miou() for r in group]) for key, group in plain.items()}
    return _differences(scored, pairs)


def norm_table(groups: Groups) -> Table | None:
    """Every row with another norm against BN in its place, each as trained and with the target's statistics; SW also
    against IW, and a way to put it in against the configs' own; None where there is nothing to compare."""
    scored, pairs = {}, []
    for key, group in groups.items():
        method, norm, length, setting = key
        for kind, words in (('trained', ''), ('re-estimated', ', statistics re-estimated')):
            scored[key, kind] = _row_name(key) + words, [r.miou('test', kind) for r in group]
        if _is_plain(key):
            continue
        common = without('segmentor', setting)
        baselines = [((method, 'bn', length, common), kind) for kind in ('trained', 're-estimated')]
        baselines += [((method, 'iw', length, common), 'trained')] if norm in ('sw', 'swb') else []
        baselines += [((method, norm, length, common), 'trained')] if norm != 'bn' else []
        pairs += [((key, 'trained'), other) for other in baselines]
        pairs.append(((key, 're-estimated'), ((method, 'bn', length, common), 're-estimated')))
    return _differences(scored, pairs)


def _is_plain(key: Key) -> bool:
    """Whether a row's network has BN in every place."""
    return key[1] == 'bn' and 'SW' not in types_in(setting_of(key[3]).segmentor)


def _differences(scored: dict[Any, tuple[str, list[float]]], pairs: Sequence[tuple[Any, Any]]) -> Table | None:
    """A row for each pair of those that are there, by the rule of `analysis.comparisons`."""
    pairs = [(key, other) for key, other in pairs if key != other and {key, other} <= scored.keys()]
    if not pairs:
        return None
    used = dict.fromkeys(itertools.chain(*pairs))
    steps = differences([(scored[key][1], scored[other][1]) for key, other in pairs], [scored[key][1] for key in used])
    rows = [
        (scored[key][0], scored[other][0], f'**{step}**' if step.clear else str(step))
        for (key, other), step in zip(pairs, steps)
    ]
    return Table(('row', 'minus', 'test mIoU'), tuple(rows))


def _one_change(one: Key, other: Key) -> tuple[Key, Key] | None:
    """Two rows of which one has a part of the setting that the other has not, the one first that should be ahead: a
    method without something, and labels of another source, are the poorer ones."""
    part = difference(one[3], other[3])
    if one[:3] != other[:3] or part is None:
        return None
    values = [getattr(setting_of(key[3]), part) for key in (one, other)]
    if all(values):  # two changes, from what neither is
        return None
    changed, plain = (one, other) if values[0] else (other, one)
    poorer = part == 'streets' or part == 'method' and False in setting_of(changed[3]).method.values()
    return (plain, changed) if poorer else (changed, plain)


def _row_name(key: Key) -> str:
    """'class-balanced self-training (CBST), BN, 600'."""
    method, norm, length, setting = key
    return f'{_named(METHODS[method].row, setting)}, {norm.upper()}, {length}'


def setting_table(results: Sequence[Result]) -> Table | None:
    """Every setting that was tried, with the validation mIoU by which settings were chosen."""
    tried = [r for r in results if r.setting and not setting_of(r.setting).title]
    rows = [
        (
            r.setting,
            METHODS[r.method].title,
            r.data,
            r.seed,
            r.iterations,
            *(r.miou(part, kind) for part in ('val', 'test') for kind in ('trained', 're-estimated')),
        )
        for r in tried
    ]
    headings = ('setting', 'method', 'data', 'seed', 'iterations', 'validation', 're-estimated', 'test', 're-estimated')
    return Table(headings, tuple(rows)) if rows else None


def section(results: Sequence[Result]) -> str:
    """The measured section of docs/photographs.md."""
    parts = []
    for data in DATA:
        groups = grouped(results, data)
        if not groups:
            continue
        parts += [
            f'### {TITLES[data]}',
            f'mIoU in percent. Measured on {records.devices(sum(groups.values(), []))}; '
            'minutes are what the training kept one core busy.',
            to_markdown(main_table(groups)),
        ]
        compared = comparison_table(groups)
        if compared is not None:
            parts += ['Differences, in bold where [clear](claims.md#the-rule):', to_markdown(compared)]
        compared = norm_table(groups)
        if compared is not None:
            parts += ['Other norms, and other ways to put SW in:', to_markdown(compared)]
        closed = share_closed(groups)
        if closed is not None:
            parts.append(f'Of the way from source only with jitter to target labels, CBST goes {closed:.0f} %.')
        parts += ['IoU by class, test part, with BN:', to_markdown(class_table(groups))]
    settings = setting_table(results)
    if settings is not None:
        parts += ['### Settings that were tried', to_markdown(settings)]
    return '\n\n'.join(part.rstrip('\n') for part in parts)
