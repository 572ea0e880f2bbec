"""How white every SW layer leaves its features on a domain (Sections 3.1 and 3.4 of the paper say what it aims at).

Of each layer, over pictures of a domain and before γ and β: how far the covariance of one picture's output is from the
identity, and that of all pictures' outputs together; how badly conditioned the covariances are that it inverts; and
what Newton's few iterations leave. `whitening.diagnose` judges one input; here many are put together. A layer that
mixes batch and instance statistics whitens neither wholly: that is asked of it, and this measures what it does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from sw_mmseg.analysis.importance import short_names
from sw_mmseg.analysis.observed import observed
from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes
from sw_mmseg.analysis.tables import Table
from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

__all__ = ['Whiteness', 'measure_whiteness', 'plot_whiteness', 'whiteness_table']

SWITCHES = (SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d)


class Whiteness(NamedTuple):
    """Of one layer. Distances are ‖cov − I‖_F / √D: 0 is white, 1 is what no variance at all has."""

    layer: str
    picture: float  # median over pictures and groups
    together: float  # of all pictures' outputs, mean over groups
    condition: float  # median condition number of Σ̂
    worst_condition: float
    newton_residual: float  # median ‖P Σ̂ P − I‖_F / √D


class _Collector:
    """What one layer has seen so far."""

    def __init__(self, layer: nn.Module) -> None:
        self.plain = copy.deepcopy(layer).eval()
        if layer.affine:
            nn.init.ones_(self.plain.weight)
            nn.init.zeros_(self.plain.bias)
        self.diagnoses: list = []
        self.count, self.sums, self.products = 0, 0.0, 0.0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """A forward pre-hook."""
        x = inputs[0].detach()
        if not x.numel():
            return
        self.diagnoses.append(self.plain.diagnose(x))
        values = self.plain(x).double().flatten(2) if x.dim() > 2 else self.plain(x).double().unsqueeze(-1)  # N C L
        groups = values.reshape(len(x), -1, self.plain.group_size, values.shape[-1])  # N G D L
        self.count += len(x) * values.shape[-1]
        self.sums = self.sums + groups.sum((0, 3))
        self.products = self.products + torch.einsum('ngal,ngbl->gab', groups, groups)

    def result(self, name: str) -> Whiteness:
        """Of all pictures."""
        mean = self.sums / self.count  # G D
        cov = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        identity = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
        together = torch.linalg.matrix_norm(cov - identity) / cov.shape[-1] ** 0.5
        values = {
            key: torch.cat([getattr(d, key).flatten() for d in self.diagnoses])
            for key in ('image_distance', 'condition', 'newton_residual')
        }
        return Whiteness(
            name,
            values['image_distance'].median().item(),
            together.mean().item(),
            values['condition'].median().item(),
            values['condition'].max().item(),
            values['newton_residual'].median().item(),
        )


def measure_whiteness(
    model: nn.Module, pictures: Iterable[object], forward: Callable[[object], object]
) -> list[Whiteness]:
    """Every SW layer of `model` that `forward(picture)` runs, in the order of registration, in evaluation.

    Raises:
        ValueError: the model has no SW layer, or none ran.
    """
    collectors = {name: _Collector(module) for name, module in model.named_modules() if isinstance(module, SWITCHES)}
    if not collectors:
        raise ValueError(f'{type(model).__name__} has no SW layer whose whiteness could be measured')
    handles = [model.get_submodule(name).register_forward_pre_hook(collector) for name, collector in collectors.items()]
    with observed(model, handles):
        for picture in pictures:
            forward(picture)
    results = [collector.result(name) for name, collector in collectors.items() if collector.diagnoses]
    if not results:
        raise ValueError('no SW layer ran: there were no images')
    return results


def whiteness_table(domains: Mapping[str, Sequence[Whiteness]], caption: str = '') -> Table:
    """A row a layer and domain."""
    names = short_names([one.layer for one in next(iter(domains.values()))])
    rows = [
        (
            names[one.layer],
            domain,
            one.picture,
            one.together,
            f'{one.condition:.3g}',
            f'{one.worst_condition:.3g}',
            f'{one.newton_residual:.2g}',
        )
        for layer in zip(*domains.values(), strict=True)
        for domain, one in zip(domains, layer)
    ]
    return Table(
        (
            'layer',
            'domain',
            'an image from white',
            'all together',
            'condition, median',
            'condition, worst',
            'Newton residual',
        ),
        tuple(rows),
        caption,
        3,
    )


def plot_whiteness(domains: Mapping[str, Sequence[Whiteness]], title: str = '', theme: Theme = LIGHT) -> Figure:
    """Distance from white of single pictures (solid) and of all together (dashed) by layer, a colour a domain."""
    if not domains:
        raise ValueError('plot_whiteness needs at least one domain')
    figure, axes = line_axes(theme, title, height=3.2)
    for index, (domain, layers) in enumerate(domains.items()):
        colour, places = theme.cycle[index % len(theme.cycle)], range(1, len(layers) + 1)
        axes.plot(
            places,
            [one.picture for one in layers],
            color=colour,
            marker='o',
            markersize=4,
            label=f'{domain}, an image',
        )
        axes.plot(
            places,
            [one.together for one in layers],
            color=colour,
            marker='o',
            markersize=4,
            linestyle='--',
            label=f'{domain}, all together',
        )
    names = short_names([one.layer for one in layers])
    axes.set_xticks(
        places,
        [names[one.layer] for one in layers],
        rotation=45 if len(layers) > 5 else 0,
        ha='right' if len(layers) > 5 else 'center',
        fontsize=8,
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel('‖cov − I‖ / √D')
    figure.set_figheight(figure.get_figheight() + 0.19 * legend_above(axes, theme, 0.5))
    return figure
