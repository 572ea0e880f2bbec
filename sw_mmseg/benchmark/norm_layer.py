"""Time and memory of norm layers, as ratios to `nn.BatchNorm2d` in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw_mmseg.benchmark.measure import (
    MIB,
    compared,
    digits,
    markdown,
    peak_mib,
)
from sw_mmseg.benchmark.norms import BASELINE, NORMS

__all__ = ['MODES', 'Results', 'WARMUP', 'make_growth_step', 'measure', 'parse_shape', 'render']

MODES = {'train': 'forward + backward', 'eval': 'evaluation forward'}
WARMUP = 3


class Cell(NamedTuple):
    """Of a norm on a shape: median milliseconds, ratio to the baseline, MiB at the peak and saved."""

    time: float
    ratio: float
    peak: float
    saved: float


Shape = tuple[int, int, int, int]
Results = dict[tuple[str, str], dict[Shape, dict[str, Cell]]]  # mode and dtype, shape, norm


def parse_shape(text: str) -> Shape:
    """'2x64x128x256' to a tuple."""
    try:
        n, c, h, w = shape = tuple(int(part) for part in text.split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form NxCxHxW, such as 2x64x128x256") from None
    if min(shape) < 1 or c % 16 or n * h * w == 1:
        raise argparse.ArgumentTypeError(f"'{text}': C must be a multiple of 16, and there must be more than one pixel")
    return n, c, h, w


def make_input(shape: Shape, dtype: str, args: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """A random input and a gradient for the output, both in the memory format asked for."""
    memory_format = torch.channels_last if args.channels_last else torch.contiguous_format
    x, grad = (
        torch.randn(shape, device=args.device).to(getattr(torch, dtype), memory_format=memory_format) for _ in range(2)
    )
    return x.requires_grad_(), grad


def make_layer(norm: str | Callable[[int], nn.Module], channels: int, dtype: str, device: str) -> nn.Module:
    layer = (NORMS[norm] if isinstance(norm, str) else norm)(channels).to(device)
    alike = dtype == 'float64' or isinstance(layer, nn.GroupNorm)
    return layer.to(getattr(torch, dtype)) if alike else layer


def make_step(layer: nn.Module, x: Tensor, grad: Tensor, mode: str) -> Callable[[], None]:
    """Forward and backward, or an evaluation forward."""
    layer.train(mode == 'train')

    def train() -> None:
        x.grad = None
        layer(x).backward(grad)

    def evaluate() -> None:
        with torch.no_grad():
            layer(x)

    return train if mode == 'train' else evaluate


def saved_mib(layer: nn.Module, x: Tensor) -> float:
    """What the forward saves for the backward, the input not counted, each storage once."""
    storages = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() != x.untyped_storage().data_ptr():
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = layer(x)
    del y
    return sum(storages.values()) / MIB


def measure(shape: Shape, mode: str, dtype: str, args: argparse.Namespace) -> dict[str, Cell]:
    """Time and memory of every norm on one shape, in turn."""
    x, grad = make_input(shape, dtype, args)
    layers = {name: make_layer(name, shape[1], dtype, args.device) for name in args.norms}
    steps = {name: make_step(layer, x, grad, mode) for name, layer in layers.items()}
    times = compared(steps, BASELINE, args.device, args.rounds, WARMUP, args.repeats)
    table = {}
    for name, layer in layers.items():
        x.grad = None
        peak = peak_mib(lambda name=name: steps[name], args.device)
        saved = saved_mib(layer, x) if mode == 'train' else 0.0
        table[name] = Cell(times[name].time, times[name].ratio, peak, saved)
    return table


def render(results: Results) -> Iterator[str]:
    """For each mode and dtype a table of times and one of memory: a row a norm, a column a shape."""
    for (mode, dtype), tables in results.items():
        header = ['norm', *('×'.join(map(str, shape)) for shape in tables)]
        base = {shape: table[BASELINE] for shape, table in tables.items()}
        times, memory = [], []
        for name in next(iter(tables.values())):
            cells = {shape: table[name] for shape, table in tables.items()}
            times.append([name, *(f'{digits(cell.time)} ({cell.ratio:.2f})' for cell in cells.values())])
            memory.append(
                [
                    name,
                    *(
                        f'{cell.peak:.1f} ({cell.peak / base[shape].peak:.2f}'
                        + (f'; {cell.saved:.2f})' if mode == 'train' else ')')
                        for shape, cell in cells.items()
                    ),
                ]
            )
        yield f'**{MODES[mode]}, {dtype}**: ms (ratio to {BASELINE})\n\n{markdown(header, times)}'
        saved = '; MiB saved' if mode == 'train' else ''
        yield f'**{MODES[mode]}, {dtype}**: MiB at the peak (ratio to {BASELINE}{saved})\n\n{markdown(header, memory)}'


def make_growth_step(norm: Callable[[int], nn.Module], shape: Shape, args: argparse.Namespace) -> Callable[[], None]:
    """Forward and backward of a norm in fp32, for `measure_growth`."""
    x, grad = make_input(shape, 'float32', args)
    return make_step(make_layer(norm, shape[1], 'float32', args.device), x, grad, 'train')
