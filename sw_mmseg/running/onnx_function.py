"""A switchable layer as one node of an ONNX graph: a function of the model, which runtimes expand by themselves.

The whole of Equations 2 to 7 stands in the file once for every T, as ONNX's own operators, and each layer is a call of
it with its constants. Without that a layer takes about sixty nodes, most of them around shapes that the exporter of
torch asks for. `onnx.inliner.inline_local_functions` makes a graph without functions, where a tool needs one.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sw_mmseg.whitening.inference import InferenceWhiten

__all__ = ['DOMAIN', 'add_functions', 'has_function', 'has_nodes', 'with_nodes']

DOMAIN = 'sw_mmseg'
INPUTS = 'x, shape, sample_ratio, batch_cov, batch_ratio, batch_mean, weight, bias, start'

MOMENTS = """
    slices = Reshape(x, shape)
    mean = ReduceMean<axes = [-1], keepdims = 1>(slices)
    centred = Sub(slices, mean)
"""
COVARIANCE = """
    turned = Transpose<perm = [0, 1, 3, 2]>(centred)
    outer = MatMul(centred, turned)
    length = Shape<start = 3>(slices)
    pixels = Cast<to = 1>(length)
    cov = Div(outer, pixels)
"""
VARIANCE = """
    squared = Mul(centred, centred)
    cov = ReduceMean<axes = [-1], keepdims = 1>(squared)
"""
MIXED = """
    of_sample = Mul(sample_ratio, cov)
    mixed = Add(of_sample, batch_cov)
"""
# `start` is 1.5 I: the sum of the diagonal of Σ̂ ∘ 1.5 I is 1.5 tr Σ̂, and 4/3 of that 2 tr Σ̂
NEWTON = """
    diagonal = Mul(mixed, start)
    axes = Constant<value_ints = [-2, -1]>()
    trace = ReduceSum<keepdims = 1>(diagonal, axes)
    scale = Constant<value_float = 1.3333333333333333>()
    twice = Mul(trace, scale)
    half = Div(mixed, twice)
    z1 = Sub(start, half)
    y1 = MatMul(half, z1)
"""
NEWTON_STEP = """
    p{k} = MatMul(z{k}, y{k})
    m{k} = Sub(start, p{k})
    z{next} = MatMul(m{k}, z{k})
"""
NEWTON_NEXT = """
    y{next} = MatMul(y{k}, m{k})
"""
NEWTON_END = """
    two = Constant<value_float = 2.0>()
    whole = Div(twice, two)
    deviation = Sqrt(whole)
    root = Div(z{k}, deviation)
    matrix = Mul(weight, root)
"""
DEVIATION = """
    deviation = Sqrt(mixed)
    matrix = Div(weight, deviation)
"""
APPLIED = """
    away = Sub(mean, batch_mean)
    offset = Mul(batch_ratio, away)
    turned_offset = {times}(matrix, offset)
    vector = Add(turned_offset, bias)
    whitened = {times}(matrix, centred)
    moved = Add(whitened, vector)
    whole_shape = Shape(x)
    y = Reshape(moved, whole_shape)
"""


class _Call(torch.autograd.Function):
    """Runs as `InferenceWhiten` in torch; a tracer that writes ONNX sees one node."""

    @staticmethod
    def forward(_: Any, x: Tensor, *arguments: Any) -> Tensor:
        return arguments[-1].forward(x)

    @staticmethod
    def symbolic(g: Any, x: Any, *arguments: Any) -> Any:
        """The node, whose output is as large as its input."""
        *constants, name, _ = arguments
        return g.op(f'{DOMAIN}::{name}', x, *constants).setType(x.type())


class _Node(nn.Module):
    """An `InferenceWhiten` that becomes one node."""

    def __init__(self, layer: InferenceWhiten) -> None:
        super().__init__()
        self.layer, self.name = layer, function_name(layer)
        size = layer.group_size
        self.register_buffer('shape', torch.tensor([0, layer.groups, size, -1]))
        self.register_buffer('start', 1.5 * torch.eye(size))

    def forward(self, x: Tensor) -> Tensor:
        layer, start = self.layer, self.start
        constants = layer.sample_ratio, layer.batch_cov, layer.batch_ratio, layer.batch_mean, layer.weight, layer.bias
        return _Call.apply(x, self.shape, *constants, start, self.name, layer)


def function_name(layer: InferenceWhiten) -> str:
    """What the layer's function is called: layers of one name share it."""
    if layer.group_size == 1:
        return 'SwitchNorm'
    return f'SwitchWhiten_T{layer.iterations}'


def with_nodes(model: nn.Module) -> nn.Module:
    """A copy of `model` whose `InferenceWhiten` are each written to ONNX as one node; those with 'ln', whose statistics
    join all groups, and those in fp64 stay."""
    model = copy.deepcopy(model)
    layers = {name: module for name, module in model.named_modules() if isinstance(module, InferenceWhiten)}
    for name, layer in layers.items():
        if 'ln' not in layer.words and layer.weight.dtype == torch.float32 and has_function(layer):
            parent, _, child = name.rpartition('.')
            setattr(model.get_submodule(parent), child, _Node(layer))
    return model


def has_nodes(model: nn.Module) -> bool:
    """Whether there is one in what `with_nodes` gave."""
    return any(isinstance(module, _Node) for module in model.modules())


def has_function(layer: InferenceWhiten) -> bool:
    """Whether operators of ONNX compute it: an eigendecomposition has none."""
    return layer.group_size == 1 or layer.inverse_sqrt == 'newton'


def add_functions(file: Path, opset: int) -> None:
    """Writes into the ONNX model `file` the functions that its nodes call."""
    import onnx.parser

    model = onnx.load(file)
    names = sorted({node.op_type for node in model.graph.node if node.domain == DOMAIN})
    if not names:
        return
    del model.graph.value_info[:]  # the exporter declares a batch and a height of one name for what the nodes give
    model.functions.extend(onnx.parser.parse_function(_text(name, opset)) for name in names)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def _text(name: str, opset: int) -> str:
    """The function in ONNX's own syntax."""
    if name == 'SwitchNorm':
        body = MOMENTS + VARIANCE + MIXED + DEVIATION + APPLIED.format(times='Mul')
    else:
        last = int(name.rpartition('_T')[2])
        steps = ''.join((NEWTON_STEP + NEWTON_NEXT * (k + 1 < last)).format(k=k, next=k + 1) for k in range(1, last))
        body = MOMENTS + COVARIANCE + MIXED + NEWTON + steps + NEWTON_END.format(k=last)
        body += APPLIED.format(times='MatMul')
    return f'<opset_import: ["" : {opset}], domain: "{DOMAIN}"> {name} ({INPUTS}) => (y) {{{body}}}'
