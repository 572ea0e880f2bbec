"""Domain distance of every layer of one or several networks: tables and the paper's Figure 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from sw_mmseg.analysis.domain_distance import Discrepancy, covariance_distance, mmd
from sw_mmseg.analysis.features import LayerFeatures
from sw_mmseg.analysis.importance import short_names
from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes, series_colours
from sw_mmseg.analysis.tables import Table

__all__ = ['PARTS', 'LayerDistance', 'distance_table', 'layer_distances', 'plot_distances']

PARTS = {
    'features': 'MMD² of features',
    'style': "MMD² of images' channel means and deviations",
    'content': 'MMD² of instance-normalised features',
    'covariance': 'relative distance of covariances',
}


class LayerDistance(NamedTuple):
    """Of one layer between two domains: all features, the style of pictures, what is left without it, covariances."""

    layer: str
    features: Discrepancy
    style: Discrepancy
    content: Discrepancy
    covariance: float


def layer_distances(
    source: Mapping[str, LayerFeatures], target: Mapping[str, LayerFeatures], permutations: int = 500, seed: int = 0
) -> list[LayerDistance]:
    """The distances of every layer that both domains went through, in the source's order.

    Raises:
        ValueError: the domains have different layers, or fewer than two pictures.
    """
    if list(source) != list(target):
        raise ValueError(f'the domains have different layers: {list(source)} and {list(target)}')
    distances = []
    for layer in source:
        fewest = min(source[layer].pixels.shape[1], target[layer].pixels.shape[1])
        pixels, content = (
            [getattr(domain[layer], part)[:, :fewest] for domain in (source, target)] for part in ('pixels', 'content')
        )
        distances.append(
            LayerDistance(
                layer,
                mmd(*pixels, permutations, seed),
                mmd(source[layer].style, target[layer].style, permutations, seed),
                mmd(*content, permutations, seed),
                covariance_distance(*pixels),
            )
        )
    return distances


def value_of(distance: LayerDistance, part: str) -> float:
    """One of `PARTS` as a number."""
    measure = getattr(distance, part)
    return measure.value if isinstance(measure, Discrepancy) else measure


def distance_table(networks: Mapping[str, Sequence[LayerDistance]], part: str = 'features', caption: str = '') -> Table:
    """A row a layer, a column a network: value ± standard error, a star where p < 0.05; the mean over layers below.

    Raises:
        ValueError: the networks do not have the same layers.
    """
    _check(networks)
    first = next(iter(networks.values()))
    names = short_names([distance.layer for distance in first])
    rows = [
        (f'{index} {names[distance.layer]}', *(_cell(distances[index - 1], part) for distances in networks.values()))
        for index, distance in enumerate(first, 1)
    ]
    means = [
        sum(value_of(distance, part) for distance in distances) / len(distances) for distances in networks.values()
    ]
    rows.append(('mean', *(f'{mean:.3f}' for mean in means)))
    return Table(('layer', *networks), tuple(rows), caption or PARTS[part] + '.', 3, frozenset({len(first)}))


def plot_distances(
    networks: Mapping[str, Sequence[LayerDistance]], part: str = 'features', title: str = '', theme: Theme = LIGHT
) -> Figure:
    """A line a network over its layers, with a standard error to either side; a dot below marks the upper end of what
    exchanged pictures give, where a distance has one.

    Raises:
        ValueError: no networks, or with different layers.
    """
    _check(networks)
    figure, axes = line_axes(theme, title, height=3.2)
    colours = series_colours(networks, theme)
    for label, distances in networks.items():
        colour, places = colours[label], range(1, len(distances) + 1)
        axes.plot(
            places,
            [value_of(d, part) for d in distances],
            color=colour,
            linewidth=1.8,
            marker='o',
            markersize=4,
            label=label,
        )
        if part != 'covariance':
            measures = [getattr(d, part) for d in distances]
            axes.errorbar(
                places,
                [d.value for d in measures],
                [d.error for d in measures],
                fmt='none',
                color=colour,
                linewidth=1.0,
                alpha=0.7,
            )
            axes.plot(
                places,
                [d.null_high for d in measures],
                linestyle='none',
                marker='_',
                markersize=9,
                color=colour,
                alpha=0.8,
            )
    axes.set_xticks(range(1, len(distances) + 1))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel('convolution')
    axes.set_ylabel('relative distance' if part == 'covariance' else 'MMD²')
    figure.set_figheight(figure.get_figheight() + 0.19 * legend_above(axes, theme, 0.5))
    return figure


def _cell(distance: LayerDistance, part: str) -> str:
    measure = getattr(distance, part)
    if not isinstance(measure, Discrepancy):
        return f'{measure:.3f}'
    return f'{measure.value:.3f} ± {measure.error:.3f}' + ('*' if measure.p_value < 0.05 else '')


def _check(networks: Mapping[str, Sequence[LayerDistance]]) -> None:
    if not networks:
        raise ValueError('no network to show distances of')
    layers = {label: [distance.layer for distance in distances] for label, distances in networks.items()}
    first, *names = layers
    for name in names:
        if layers[name] != layers[first]:
            raise ValueError(
                f'{name!r} has other layers than {first!r}: distances compare networks of one architecture'
            )
