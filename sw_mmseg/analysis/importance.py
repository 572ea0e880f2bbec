"""Importance ratios as tables: what every switch of a network weighs, in training and at its end (Section 4.5,
Figures 6 to 8 of the paper).

Ratios come flat, as the hook logs them, `ratios/LAYER/mean/bw` (ω) and `ratios/LAYER/cov/bw` (ω' of Equation 6), with a
number or a curve each, and are sorted here by layer. Layers stay in the order in which they come, which is that of
registration: from the input to the output in every network of this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sw_mmseg.analysis.tables import Table
from sw_mmseg.whitening import STATISTICS

__all__ = [
    'KINDS',
    'by_layer',
    'choice',
    'chosen',
    'network_mean',
    'ratio_table',
    'short_names',
    'task_mean',
    'task_table',
    'words_of',
]

KINDS = {'mean': 'ω', 'cov': "ω'"}
PREFIX = 'ratios/'
EVEN = 0.05  # a lead smaller than this is no choice
ONE_MEAN = (('bw', 'bn'), ('iw', 'in'), ('ln',))  # statistics with the same mean

Value = TypeVar('Value')
Layer = dict[str, dict[str, Value]]  # 'mean' and 'cov' -> word -> value
Layers = dict[str, Layer]


def by_layer(flat: Mapping[str, Value]) -> Layers:
    """`{layer: {'mean': {word: value}, 'cov': {word: value}}}` of the entries that are ratios; the others are skipped.

    A layer with a single statistic has nothing to switch and is left out.
    """
    layers: Layers = {}
    for name, value in flat.items():
        if name.startswith(PREFIX):
            layer, kind, word = name.removeprefix(PREFIX).rsplit('/', 2)
            layers.setdefault(layer, {}).setdefault(kind, {})[word] = value
    return {layer: kinds for layer, kinds in layers.items() if all(len(words) > 1 for words in kinds.values())}


def words_of(layers: Mapping[str, Layer]) -> tuple[str, ...]:
    """Every statistic that some layer has, in the paper's order."""
    vocabulary = {word for kinds in layers.values() for words in kinds.values() for word in words}
    return tuple(word for word in STATISTICS if word in vocabulary)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Each layer's name without the parts that all of them begin with: 'backbone.layer1.0.bn2' -> 'layer1.0.bn2'."""
    parts = [name.split('.') for name in names]
    shared = 0
    while all(len(segments) > shared + 1 for segments in parts) and len({segments[shared] for segments in parts}) == 1:
        shared += 1
    return {name: '.'.join(segments[shared:]) for name, segments in zip(names, parts)}


def choice(ratios: Mapping[str, float], even: float = EVEN) -> str:
    """The statistic with the largest ratio, or 'even' where its lead over the next is less than `even`."""
    first, second = sorted(ratios.values(), reverse=True)[:2]
    return max(ratios, key=ratios.get) if first - second >= even else 'even'


def chosen(ratios: Mapping[str, float], kind: str) -> str:
    """The `choice` of covariances; of means, that of statistics which have one mean taken together: 'iw/in', say."""
    if kind == 'mean':
        groups = [[word for word in group if word in ratios] for group in ONE_MEAN]
        ratios = {'/'.join(group): sum(ratios[word] for word in group) for group in groups if group}
    return choice(ratios) if len(ratios) > 1 else next(iter(ratios))


def network_mean(layers: Mapping[str, Layer], kind: str = 'cov') -> dict[str, float]:
    """Statistic -> its ratio averaged over the layers, as in Figure 8. A layer that has not got it counts as zero.

    Raises:
        ValueError: there are no layers.
    """
    if not layers:
        raise ValueError('no layer switches: there is nothing to average')
    return {
        word: sum(kinds[kind].get(word, 0.0) for kinds in layers.values()) / len(layers) for word in words_of(layers)
    }


def task_mean(networks: Sequence[Mapping[str, Layer]], kind: str = 'cov') -> dict[str, float]:
    """`network_mean`, averaged over one or more networks with the same statistics."""
    means = [network_mean(layers, kind) for layers in networks]
    return {word: sum(mean.get(word, 0.0) for mean in means) / len(means) for word in words_of(networks[0])}


def ratio_table(layers: Mapping[str, Layer], caption: str = '') -> Table:
    """A row a layer: ω and ω' of every statistic, and what each of both chooses; their averages below."""
    words, names = words_of(layers), short_names(list(layers))
    rows = [
        (
            names[layer],
            *(kinds[kind].get(word) for kind in KINDS for word in words),
            *(chosen(kinds[kind], kind) for kind in KINDS),
        )
        for layer, kinds in layers.items()
    ]
    means = {kind: network_mean(layers, kind) for kind in KINDS}
    rows.append(
        (
            'average',
            *(means[kind][word] for kind in KINDS for word in words),
            *(chosen(means[kind], kind) for kind in KINDS),
        )
    )
    headings = (
        'layer',
        *(f'{symbol} {word}' for symbol in KINDS.values() for word in words),
        *(f'{symbol} chooses' for symbol in KINDS.values()),
    )
    return Table(headings, tuple(rows), caption, 2, frozenset({len(layers)}))


def task_table(tasks: Mapping[str, Sequence[Mapping[str, Layer]]]) -> Table:
    """Figure 8 as numbers: a row a task, ω' averaged over the layers and then over its networks, and in how many of the
    layers (of all its networks) the choices of ω and ω' differ.

    Args:
        tasks: label -> one or more networks' ratios by layer.
    """
    words = words_of(
        {
            f'{task} {index} {name}': kinds
            for task, networks in tasks.items()
            for index, layers in enumerate(networks)
            for name, kinds in layers.items()
        }
    )
    rows = []
    for task, networks in tasks.items():
        means = task_mean(networks)
        pairs = [[chosen(kinds[kind], kind) for kind in KINDS] for layers in networks for kinds in layers.values()]
        rows.append(
            (
                task,
                len(networks),
                len(networks[0]),
                *(means.get(word) for word in words),
                f'{sum(b not in a.split("/") for a, b in pairs)} of {len(pairs)}',
            )
        )
    return Table(
        ('network', 'runs', 'SW layers', *words, "ω and ω' differ"),
        tuple(rows),
        "ω' averaged over all SW layers of a network.",
        2,
    )
