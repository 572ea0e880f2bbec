"""Time and memory of norm layers, as ratios to `nn.BatchNorm2d` in the same run. Needs torch alone.

    python tools/benchmark/norm_layer.py [--device cuda] [--dtypes float32 bfloat16] [--modes train eval]
        [--channels-last] [--growth] [--markdown FILE] [--plot FILE.png]

Times are of forward and backward, or of an evaluation forward without gradient. Two kinds of memory: the peak is what
that allocates at its height, its output and the input's gradient included; saved is what the forward leaves for the
backward beside the input. `--growth` adds how the time of SWa grows with N·L and with the group size D. Inputs in half
precision meet parameters in fp32, except in GroupNorm and LayerNorm, which take their own type alone. `_measure.py`
says how times are compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sw_mmseg.benchmark.growth import measure_growth, render_growth
from sw_mmseg.benchmark.measure import (
    check_common,
    environment,
    write,
)
from sw_mmseg.benchmark.norm_layer import MODES, WARMUP, Results, make_growth_step, measure, parse_shape, render
from sw_mmseg.benchmark.norms import BASELINE, NORMS

SHAPES = [(2, 64, 128, 256), (2, 256, 64, 64), (8, 64, 56, 56), (2, 512, 97, 97), (32, 16, 32, 32)]
# Activations of ResNet50 on 32×224², of PSPNet on 2×713² and of VGG16 on 1×720×1280: 3 to 59 million elements.
GPU_SHAPES = [
    (32, 128, 28, 28),
    (32, 64, 56, 56),
    (32, 64, 112, 112),
    (32, 256, 56, 56),
    (2, 64, 357, 357),
    (2, 256, 179, 179),
    (2, 1024, 90, 90),
    (1, 64, 720, 1280),
]
DEFAULT_NORMS = [BASELINE, 'GroupNorm', 'InstanceNorm2d', 'LayerNorm', 'SN', 'BW', 'IW', 'SWa', 'SWb', 'SWa eigh']
DTYPES = ['float32', 'bfloat16', 'float16', 'float64']


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--dtypes', '--dtype', nargs='+', default=['float32'], choices=DTYPES, metavar='DTYPE', help=', '.join(DTYPES)
    )
    parser.add_argument('--modes', nargs='+', choices=list(MODES), default=list(MODES))
    parser.add_argument('--eval', action='store_const', dest='modes', const=['eval'], help='the same as --modes eval')
    parser.add_argument('--rounds', type=int, default=30, help=f'each norm once a round, after {WARMUP} rounds')
    parser.add_argument('--repeats', type=int, help='calls between two looks at the clock (default: 1, on a GPU 10)')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument(
        '--norms', nargs='+', choices=list(NORMS), default=DEFAULT_NORMS, metavar='NORM', help=', '.join(NORMS)
    )
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


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
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
