"""What a switch sees: every picture's own statistics at a norm, as a point on a map, and how far they are from the
running ones (the paper's reason for instance statistics, Sections 3.5 and 4.5: pictures differ among themselves).

A picture is the vector of its channels' means and logarithms of their deviations at the input of a norm, (2C,). The map
shows the two directions in which pictures of all domains differ most: principal components of standardised vectors.
The distance from running statistics μ, σ is the root mean square over channels of (μₙ − μ)/σ and log σₙ − log σ: the
farthest pictures are those for which batch statistics are least right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sw_mmseg.analysis.observed import observed
from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes

__all__ = [
    'InstanceMap',
    'instance_map',
    'instance_statistics',
    'norm_names',
    'plot_instance_map',
    'reference_statistics',
    'statistic_distances',
]

EPS = 1e-5


class InstanceMap(NamedTuple):
    """Domain -> places (P, 2); the share of the variance of all pictures that each direction holds."""

    places: dict[str, Tensor]
    shares: tuple[float, float]


def norm_names(model: nn.Module) -> list[str]:
    """Norms of `model` whose statistics can be compared, in the order of registration."""
    return [name for name, module in model.named_modules() if isinstance(module, (_NormBase, nn.GroupNorm))]


def instance_statistics(
    model: nn.Module, norm: str, pictures: Iterable[object], forward: Callable[[object], object]
) -> Tensor:
    """(P, 2C) fp32: means and log deviations of the channels at the input of the norm with that name, in evaluation.

    Raises:
        ValueError: no norm of that name, or it did not run.
    """
    if norm not in norm_names(model):
        raise ValueError(f'{type(model).__name__} has no norm {norm!r}; it has {norm_names(model)}')
    vectors: list[Tensor] = []

    def read(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].detach().float().flatten(2)  # N C L
        deviation, mean = torch.std_mean(values, -1, correction=0)
        vectors.append(torch.cat([mean, (deviation.square() + EPS).sqrt().log()], 1).cpu())

    handle = model.get_submodule(norm).register_forward_pre_hook(read)
    with observed(model, [handle]):
        for picture in pictures:
            forward(picture)
    if not vectors:
        raise ValueError(f'{norm} did not run: there were no pictures, or they take another way through the network')
    return torch.cat(vectors)


def reference_statistics(layer: nn.Module, fallback: Tensor) -> tuple[Tensor, Tensor, str]:
    """Mean and deviation (C,) that a norm holds for evaluation, and whose they are: its running statistics, else those
    of the pictures whose instance statistics are `fallback` (P, 2C)."""
    mean = getattr(layer, 'running_mean', None)
    if mean is not None:
        cov = getattr(layer, 'running_cov', None)
        variance = layer.running_var if cov is None else cov.diagonal(dim1=-2, dim2=-1).flatten()
        return mean.detach().float().cpu(), (variance.detach().float().cpu() + EPS).sqrt(), 'running statistics'
    means, logs = fallback.chunk(2, 1)
    variance = logs.mul(2).exp().mean(0) + means.var(0, correction=0)  # the law of total variance
    return means.mean(0), variance.sqrt(), 'all source pictures'


def statistic_distances(vectors: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """(P,): the distance above of each picture (P, 2C) from a mean and deviation (C,)."""
    means, logs = vectors.chunk(2, 1)
    differences = torch.cat([(means - mean) / deviation, logs - deviation.log()], 1)
    return differences.square().mean(1).sqrt()


def instance_map(domains: Mapping[str, Tensor]) -> InstanceMap:
    """The two principal components of all domains' vectors (P, 2C) together, each entry standardised.

    Raises:
        ValueError: fewer than three pictures in all.
    """
    pooled = torch.cat(list(domains.values())).double()
    if len(pooled) < 3:
        raise ValueError(f'a map needs at least three pictures, not {len(pooled)}')
    deviation, mean = torch.std_mean(pooled, 0, correction=0)
    scale = torch.where(deviation > 1e-9, deviation, torch.inf)
    _, sizes, directions = torch.linalg.svd((pooled - mean) / scale, full_matrices=False)
    strongest = directions[:2].gather(1, directions[:2].abs().argmax(1, keepdim=True))
    directions = directions[:2] * strongest.sign()  # a decomposition's signs are arbitrary: the largest is positive
    places = {name: ((vectors.double() - mean) / scale) @ directions.T for name, vectors in domains.items()}
    shares = (sizes.square() / sizes.square().sum().clamp_min(1e-30))[:2].tolist()
    return InstanceMap(places, (shares[0], shares[1]))


def plot_instance_map(
    projection: InstanceMap, title: str = '', marked: Mapping[str, Tensor] | None = None, theme: Theme = LIGHT
) -> Figure:
    """A point a picture, a colour a domain.

    Args:
        marked: domain -> indices of pictures to number, from 1.
    """
    figure, axes = line_axes(theme, title, height=4.0)
    for index, (domain, places) in enumerate(projection.places.items()):
        axes.scatter(
            places[:, 0],
            places[:, 1],
            s=18,
            color=theme.cycle[index % len(theme.cycle)],
            alpha=0.75,
            linewidths=0,
            label=domain,
        )
        for number, picture in enumerate((marked or {}).get(domain, []), 1):
            axes.annotate(
                str(number),
                places[int(picture)].tolist(),
                color=theme.ink,
                fontsize=8,
                xytext=(3, 3),
                textcoords='offset points',
            )
    for set_label, share, name in zip((axes.set_xlabel, axes.set_ylabel), projection.shares, ('first', 'second')):
        set_label(f'{name} direction, {100 * share:.0f}% of the variance')
    axes.tick_params(labelbottom=False, labelleft=False)
    figure.set_figheight(figure.get_figheight() + 0.19 * legend_above(axes, theme, 0.5))
    return figure
