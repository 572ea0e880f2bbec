"""Parameters and multiply-adds of a network by kind of layer, and what of both is SW's (Table 1 of the paper).

Counted for a forward pass in evaluation, by the layers' own formulas, since no tracer sees into SW:

    convolution   outputs · (input channels / groups) · kernel area
    linear        outputs · inputs
    SW            C·L·D to apply the matrices, C·L·D for the covariance of each image where Ω has 'iw', 'in' or 'ln'
                  (with 'bw' and 'bn' alone it is the running one), and 3·(T − 1)·D³ a group for Newton's T iterations,
                  whose first is a sum, or 9·D³ for an eigendecomposition (an estimate), for each image or once
    other norms   an element each

with C channels, L pixels, groups of D channels: the paper's O(N·C·G·max(HW, G)), whose G is the group size, with its
constant. Activations, pooling and resizing are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sw_mmseg.analysis.observed import observed
from sw_mmseg.analysis.tables import Table
from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

__all__ = ['LayerCost', 'complexity_table', 'layer_costs']

KINDS = {
    'convolution': (nn.modules.conv._ConvNd,),
    'linear': (nn.Linear,),
    'SW': (SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d),
    'other norms': (_NormBase, nn.GroupNorm, nn.LayerNorm),
}


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs: parameters, and multiply-adds over all its calls."""

    name: str
    kind: str
    parameters: int
    operations: int


def layer_costs(model: nn.Module, forward: Callable[[], object]) -> list[LayerCost]:
    """The cost of every counted layer of `model` that `forward()` calls, in the order of registration.

    `forward` runs the model once, in evaluation and without gradient; modes are restored.
    """
    operations: dict[str, int] = {}
    counted = {name: (module, kind) for name, module in model.named_modules() if (kind := _kind(module))}
    handles = [module.register_forward_hook(_hook(operations, name)) for name, (module, _) in counted.items()]
    with observed(model, handles):
        forward()
    return [
        LayerCost(name, kind, sum(p.numel() for p in module.parameters(recurse=False)), operations[name])
        for name, (module, kind) in counted.items()
        if name in operations
    ]


def complexity_table(costs: list[LayerCost]) -> Table:
    """Kind of layer -> layers, parameters, multiply-adds and their share in percent; a total below."""
    everything = sum(cost.operations for cost in costs)
    rows = []
    for kind in [kind for kind in KINDS if any(cost.kind == kind for cost in costs)]:
        kind_costs = [cost for cost in costs if cost.kind == kind]
        rows.append((kind, *_sums(kind_costs), f'{100 * sum(cost.operations for cost in kind_costs) / everything:.2f}'))
    rows.append(('all', *_sums(costs), '100.00'))
    return Table(('layers', 'number', 'parameters', 'multiply-adds', 'share in %'), tuple(rows))


def _sums(costs: list[LayerCost]) -> tuple[int, str, str]:
    return len(costs), *(readable(sum(getattr(cost, of) for cost in costs)) for of in ('parameters', 'operations'))


def readable(number: float) -> str:
    """'1.23 M'."""
    for unit in ('', ' k', ' M', ' G', ' T'):
        if number < 1000:
            return f'{number:.2f}{unit}' if unit else f'{number:.0f}'
        number /= 1000
    return f'{number:.2f} P'


def _kind(module: nn.Module) -> str | None:
    return next((kind for kind in ('SW', *KINDS) if isinstance(module, KINDS[kind])), None)


def _hook(operations: dict[str, int], name: str) -> Callable:
    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        operations[name] = operations.get(name, 0) + _operations(module, output)

    return count


def _operations(module: nn.Module, output: Tensor) -> int:
    kind = _kind(module)
    if kind == 'convolution':
        return output.numel() * module.in_channels // module.groups * math.prod(module.kernel_size)
    if kind == 'linear':
        return output.numel() * module.in_features
    return _whitening(module, output) if kind == 'SW' else output.numel()


def _whitening(layer: SwitchWhiten2d, output: Tensor) -> int:
    size, images = layer.group_size, output.shape[0]
    of_each_image = not {'iw', 'in', 'ln'}.isdisjoint(layer.statistics)
    inverse = 3 * (layer.iterations - 1) * size**3 if layer.inverse_sqrt == 'newton' else 9 * size**3
    if size == 1:  # a variance needs no iteration
        inverse = 1
    groups = layer.num_features // size
    return output.numel() * size * (1 + of_each_image) + groups * inverse * (images if of_each_image else 1)
