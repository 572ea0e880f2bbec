"""The Triton kernels of a whitening layer: bandwidth of each pass, and the layer against BatchNorm.

    python tools/benchmark/kernels.py [--shapes 16x256x64x64] [--dtypes float32 bfloat16] [--channels-last] [--sweep]

A pass moves the bytes that it must, the activation read or written once; its rate stands beside that of a copy of the
same activation in the same run. Calls go round several activations, four times the cache of the device together, and
are replayed as a CUDA graph, so that neither the cache nor the host is what is timed. The layer is timed forward and
backward, once as a graph and once call by call, as a small network would feel it. `--sweep` times the passes with other
tiles than `triton_tiles` chooses. Goals: 80 % of the copy's rate, and 1.1 x BatchNorm. Needs a CUDA device.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from sw_mmseg.benchmark.kernels import layer_rows, missing, pass_rows, sweep, time_layers, time_passes, title
from sw_mmseg.benchmark.measure import environment, markdown, write
from sw_mmseg.benchmark.norms import BASELINE

SHAPES = [(16, 256, 64, 64), (32, 64, 112, 112), (8, 512, 97, 97)]  # the rows of the last cannot be read in vectors
GROUPS = (16, 1)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--shapes',
        nargs='+',
        default=SHAPES,
        type=lambda text: tuple(map(int, text.split('x'))),
        help='such as 16x256x64x64; channels divide by 16',
    )
    parser.add_argument(
        '--dtypes', nargs='+', default=['float32', 'bfloat16'], choices=['float32', 'bfloat16', 'float16']
    )
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--rounds', type=int, default=20, help='medians are over these; three more do not count')
    parser.add_argument('--sweep', action='store_true', help='time the passes with other tiles, instead of all else')
    parser.add_argument('--markdown', type=Path, help='also write the tables to this file')
    args = parser.parse_args(arguments)
    if args.rounds < 1:
        parser.error(f'--rounds must be at least 1, got {args.rounds}')
    for shape in args.shapes:
        if len(shape) != 4 or min(shape) < 1 or shape[1] % 16:
            parser.error(f'--shapes: {"x".join(map(str, shape))} is not NxCxHxW with a C that divides by 16')
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    reason = missing()
    if reason is not None:
        print(f'error: {reason}', file=sys.stderr)
        return 2
    torch.manual_seed(0)
    of_passes, of_layers = [], []
    for shape in args.shapes:
        for dtype in args.dtypes:
            name, kind = title(shape, dtype, args), getattr(torch, dtype)
            if args.sweep:
                for tile, results in sweep(shape, kind, args).items():
                    of_passes += pass_rows(f'{name}, tile {tile}', results)
                continue
            for d in GROUPS:
                of_passes += pass_rows(f'{name}, D = {d}', time_passes(shape, kind, d, args))
            of_layers += layer_rows(name, time_layers(shape, kind, args))
            print(f'{name} done', flush=True)
    text = f'{environment("cuda")}\n\nPasses; in brackets the share of the rate of a copy:\n\n'
    text += markdown(['activation', 'copy', 'moments', 'apply', 'gradient sums', 'apply gradient'], of_passes)
    if of_layers:
        text += f'\nLayers, forward + backward; in brackets the ratio to {BASELINE}:\n\n'
        text += markdown(['activation', 'norm', 'as a graph', 'call by call'], of_layers)
    write(text, args.markdown)
    return 0
