"""Parameters and multiply-adds of a network by kind of layer, and what of both is SW's (Table 1 of the paper).

Counted for a forward pass in evaluation, by the layers' own formulas, since no tracer sees into SW:

    convolution   outputs · (input channels / groups) · kernel area; inputs · (output channels / groups) · kernel area
                  where it is transposed
    linear        outputs · inputs
    SW            C·L·D to apply the matrices, C·L·D for the covariance of each image where Ω has 'iw', 'in' or 'ln'
                  (with 'bw' and 'bn' alone it is the running one), and 3·(T − 1)·D³ a group for Newton's T iterations,
                  whose first is a sum, or 9·D³ for an eigendecomposition (an estimate), for each image or once
    other norms   an element each
    attention     what a module multiplies beside its layers, as seen while it runs (`products`): attention, and weights
                  that are used directly
    other         nothing; the parameters that none of these has, such as embeddings of positions

with C channels, L pixels, groups of D channels: the paper's O(N·C·G·max(HW, G)), whose G is the group size, with its
constant. Activations, pooling and resizing are not counted. Parameters are those that the pass reads: what serves
training alone, such as an auxiliary head, is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sw_mmseg.analysis.observed import observed
from sw_mmseg.analysis.products import Products, attention_by_parts
from sw_mmseg.analysis.tables import Table
from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

__all__ = ['LayerCost', 'complexity_table', 'layer_costs']

KINDS = {
    'convolution': (nn.modules.conv._ConvNd,),
    'linear': (nn.Linear,),
    'SW': (SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d),
    'other norms': (_NormBase, nn.GroupNorm, nn.LayerNorm),
    'attention': (),
    'other': (),
}


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs: parameters, and multiply-adds over all its calls."""

    name: str
    kind: str
    parameters: int
    operations: int


def layer_costs(model: nn.Module, forward: Callable[[], object]) -> list[LayerCost]:
    """The cost of every layer of `model` that `forward()` calls, in the order of registration; of a module that is no
    layer, where it has parameters or products of its own.

    `forward` runs the model once, in evaluation and without gradient; modes are restored.
    """
    layers: Counter[str] = Counter()
    products = Products(model)
    handles = [
        module.register_forward_hook(_hook(layers, name)) for name, module in model.named_modules() if _kind(module)
    ]
    with observed(model, [*handles, *products.handles]), attention_by_parts(), products:
        forward()
    costs, counted = [], set()
    for name, module in model.named_modules():
        kind = _kind(module) if name in products.called else None
        by_rule = kind is not None and not _is_looked_into(module)
        operations = layers[name] if by_rule else products.operations[name]
        parameters = [value for value in module.parameters(recurse=False) if (kind or id(value) in products.read)]
        size = sum(value.numel() for value in parameters if id(value) not in counted)
        counted.update(id(value) for value in parameters)
        if kind is not None or operations or size:
            kind = kind or ('attention' if operations or products.operations[_parent(name)] else 'other')
            costs.append(LayerCost(name, kind, size, operations))
    return costs


def _parent(name: str) -> str:
    return name.rpartition('.')[0]


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


def _is_looked_into(module: nn.Module) -> bool:
    """A linear layer that does more than torch's, such as one with LoRA."""
    return isinstance(module, nn.Linear) and type(module).forward is not nn.Linear.forward


def _hook(operations: Counter[str], name: str) -> Callable:
    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        operations[name] += _operations(module, inputs[0] if inputs else output, output)

    return count


def _operations(module: nn.Module, x: Tensor, output: Tensor) -> int:
    kind = _kind(module)
    if kind == 'convolution':
        elements, channels = (x, module.out_channels) if module.transposed else (output, module.in_channels)
        return elements.numel() * channels // module.groups * math.prod(module.kernel_size)
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
