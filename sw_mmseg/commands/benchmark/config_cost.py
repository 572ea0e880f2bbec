"""GPU hours and memory of rows of the paper, from a few training steps on random images of the row's size.

    python tools/benchmark/config_cost.py bn_fcn_ade20k configs/sw_pspnet_cityscapes.py --device cuda [--markdown FILE]

Needs torch alone: networks are plain ones, and reading images, communication, validation and logging are left out, so
that the hours are the least that a row takes. `--width` and `--shrink` try it on a CPU; then the hours mean nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sw_mmseg.benchmark.config_cost import cost_of, row_of
from sw_mmseg.benchmark.measure import check_common, environment, markdown, write
from sw_mmseg.benchmark.network_step import cudnn_search

HEADER = ['config', 'batch of a GPU', 'ms a step', 'MiB at the peak', 'GPUs', 'GPU hours']


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='names or paths, such as sw_fcn_ade20k')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--rounds', type=int, default=20, help='steps; two more do not count')
    parser.add_argument('--width', type=float, default=1.0, help='factor on the channels')
    parser.add_argument('--shrink', type=int, default=1, help='divides the sides of the images')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file, after each row')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if args.shrink < 1:
        parser.error(f'--shrink must be at least 1, got {args.shrink}')
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    try:
        rows = [row_of(config) for config in args.configs]
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    whole = args.width == 1 and args.shrink == 1
    table = []
    with cudnn_search(args.device):
        for name, row, norm in rows:
            cost = cost_of(row, norm, args.device, args.rounds, args.width, args.shrink)
            batch, height, width = row.size[0], row.size[1] // args.shrink, row.size[2] // args.shrink
            hours = f'{cost.hours:.0f}' if whole else 'shrunk'
            cells = [f'{batch}×{height}×{width}', f'{cost.time:.1f}', f'{cost.memory:.0f}', str(row.gpus), hours]
            table.append([f'{norm}_{name}', *cells])
            text = f'{args.rounds} steps, float32, {environment(args.device)}\n\n{markdown(HEADER, table)}'
            write(text, args.markdown)
    return 0
