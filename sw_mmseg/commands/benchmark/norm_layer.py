"""Time and memory of norm layers, as ratios to `nn.BatchNorm2d` in the same run. Needs torch alone.

    python tools/benchmark/norm_layer.py [--device cuda] [--dtypes float32 bfloat16] [--modes train eval]
        [--channels-last] [--growth] [--markdown FILE] [--plot FILE.png]

Times are of forward and backward, or of an evaluation forward without gradient. Two kinds of memory: the peak is what
that allocates at its height, its output and the input's gradient included; saved is what the forward leaves for the
backward beside the input. `--growth` adds how the time of SWa grows with N·L and with the group size D. Inputs in half
precision meet parameters in fp32, except in GroupNorm and LayerNorm, which take their own type alone. `_measure.py`
says how times are compared.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw_mmseg.benchmark.growth import measure_growth, render_growth
from sw_mmseg.benchmark.measure import (
    MIB,
    check_common,
    digits,
    environment,
    in_turn,
    markdown,
    median_ratio,
    peak_mib,
    write,
)
from sw_mmseg.benchmark.norms import BASELINE, NORMS

SHAPES = [(2, 64, 128, 256), (2, 256, 64, 64), (8, 64, 56, 56), (2, 512, 97, 97), (32, 16, 32, 32)]
# Activations of ResNet50 on 32×224², of PSPNet on 2×713² and of VGG16 on 1×720×1280: 3 to 59 million elements.
GPU_SHAPES = [(32, 128, 28, 28), (32, 64, 56, 56), (32, 64, 112, 112), (32, 256, 56, 56), (2, 64, 357, 357),
              (2, 256, 179, 179), (2, 1024, 90, 90), (1, 64, 720, 1280)]
DEFAULT_NORMS = [BASELINE, 'GroupNorm', 'InstanceNorm2d', 'LayerNorm', 'SN', 'BW', 'IW', 'SWa', 'SWb', 'SWa eigh']
DTYPES = ['float32', 'bfloat16', 'float16', 'float64']
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


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtypes', '--dtype', nargs='+', default=['float32'], choices=DTYPES, metavar='DTYPE',
                        help=', '.join(DTYPES))
    parser.add_argument('--modes', nargs='+', choices=list(MODES), default=list(MODES))
    parser.add_argument('--eval', action='store_const', dest='modes', const=['eval'], help='the same as --modes eval')
    parser.add_argument('--rounds', type=int, default=30, help=f'each norm once a round, after {WARMUP} rounds')
    parser.add_argument('--repeats', type=int, help='calls between two looks at the clock (default: 1, on a GPU 10)')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--norms', nargs='+', choices=list(NORMS), default=DEFAULT_NORMS, metavar='NORM',
                        help=', '.join(NORMS))
    parser.add_argument('--shapes', nargs='+', type=parse_shape, help='such as 2x64x128x256')
    parser.add_argument('--channels-last', action='store_true', help='memory format of inputs and gradients')
    parser.add_argument('--growth', action='store_true', help='also measure growth with N·L and D')
    parser.add_argument('--markdown', type=Path, help='also write the tables to this file')
    parser.add_argument('--plot', type=Path, metavar='FILE.png', help='draw the ratios and growths (needs matplotlib)')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    on_gpu = args.device.startswith('cuda')
    args.shapes = args.shapes or (GPU_SHAPES if on_gpu else SHAPES)
    args.repeats = args.repeats or (10 if on_gpu else 1)
    args.norms = [BASELINE, *(name for name in args.norms if name != BASELINE)]
    return args


def parse_shape(text: str) -> Shape:
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
    x, grad = (torch.randn(shape, device=args.device).to(getattr(torch, dtype), memory_format=memory_format)
               for _ in range(2))
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
    x, grad = make_input(shape, dtype, args)
    layers = {name: make_layer(name, shape[1], dtype, args.device) for name in args.norms}
    steps = {name: make_step(layer, x, grad, mode) for name, layer in layers.items()}
    times = in_turn(steps, args.device, args.rounds, WARMUP, args.repeats)
    table = {}
    for name, layer in layers.items():
        x.grad = None
        peak = peak_mib(lambda name=name: steps[name], args.device)
        saved = saved_mib(layer, x) if mode == 'train' else 0.0
        ratio = median_ratio(times[name], times[BASELINE])
        table[name] = Cell(statistics.median(times[name]), ratio, peak, saved)
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
            memory.append([name, *(f'{cell.peak:.1f} ({cell.peak / base[shape].peak:.2f}'
                                   + (f'; {cell.saved:.2f})' if mode == 'train' else ')')
                                   for shape, cell in cells.items())])
        yield f'**{MODES[mode]}, {dtype}**: ms (ratio to {BASELINE})\n\n{markdown(header, times)}'
        saved = '; MiB saved' if mode == 'train' else ''
        yield f'**{MODES[mode]}, {dtype}**: MiB at the peak (ratio to {BASELINE}{saved})\n\n{markdown(header, memory)}'


def make_growth_step(norm: Callable[[int], nn.Module], shape: Shape, args: argparse.Namespace) -> Callable[[], None]:
    """Forward and backward of a norm in fp32, for `measure_growth`."""
    x, grad = make_input(shape, 'float32', args)
    return make_step(make_layer(norm, shape[1], 'float32', args.device), x, grad, 'train')


def main(args: argparse.Namespace) -> int:
    torch.manual_seed(0)
    results: Results = {}
    for mode in args.modes:
        for dtype in args.dtypes:
            tables = results[mode, dtype] = {}
            for shape in args.shapes:
                tables[shape] = measure(shape, mode, dtype, args)
                ratios = ', '.join(f'{name} {cell.ratio:.2f}' for name, cell in tables[shape].items())
                print(f'{mode} {dtype} {shape}: {ratios}', flush=True)
    growths = measure_growth(make_growth_step, args) if args.growth else []
    memory_format = ', channels_last' if args.channels_last else ''
    head = f'{environment(args.device)}{memory_format}, {args.rounds} rounds.\n'
    write('\n'.join([head, *render(results), *map(render_growth, growths)]), args.markdown)
    if args.plot:
        from sw_mmseg.benchmark.plots import draw
        draw(results, growths, head.strip(), args.plot)
        print(f'drawn: {args.plot}')
    return 0
