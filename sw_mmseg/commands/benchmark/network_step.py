"""A training step of whole networks with one norm or another, and the paper's Table 5 with ours beside it.

    python tools/benchmark/network_step.py [--device cuda] [--networks pspnet7] [--norms BN SWa] [--markdown FILE]

A step is forward, loss, backward and SGD, on random images. ResNet50 has the norm at 7 sites (the 1st and every 6th
convolution, none in the last stage), PSPNet at the same 7 or at 14 (every 3rd), DeepLab-v2 on VGG16 at 5; all other
norms are BatchNorm, whose network is the baseline. On a CPU images and batches are shrunk, channels are not, unless
`--width` says so; `--no-small` gives a CPU the full sizes. Needs torch alone. Goals: SWa at most 1.05 x BN in time and
1.02 x BN in peak memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.benchmark.measure import check_common, environment, write
from sw_mmseg.benchmark.network_step import (
    BASELINE,
    NETWORKS,
    SITE_NORMS,
    cudnn_search,
    describe,
    measure,
    render_network,
    render_table_5,
)


def add_execution(parser: argparse.ArgumentParser) -> None:
    """How the step is run."""
    parser.add_argument('--amp', choices=['bfloat16'], help='autocast to this type')
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--compile', action='store_true', help='torch.compile the network')
    parser.add_argument(
        '--compile-mode', choices=['default', 'reduce-overhead'], default='default', help='the latter uses CUDA graphs'
    )
    parser.add_argument('--graph', action='store_true', help='record the whole step as one CUDA graph and replay it')


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--networks',
        nargs='+',
        choices=list(NETWORKS),
        default=list(NETWORKS),
        metavar='NETWORK',
        help='of ' + ', '.join(NETWORKS),
    )
    parser.add_argument(
        '--norms',
        nargs='+',
        choices=list(SITE_NORMS),
        default=['SWa', 'SWa eigh', 'BW', 'BW eigh'],
        metavar='NORM',
        help=f'of {", ".join(SITE_NORMS)}; BN is always measured',
    )
    parser.add_argument('--rounds', type=int, help='each norm once a round (default: 5 on a CPU, 20 on a GPU)')
    parser.add_argument('--warmup', type=int, default=2, help='rounds before that')
    parser.add_argument(
        '--small', action=argparse.BooleanOptionalAction, help='shrunk images and batches (default on a CPU)'
    )
    parser.add_argument('--width', type=float, default=1.0, help='factor on the channels')
    parser.add_argument('--size', type=int, nargs=3, metavar=('BATCH', 'H', 'W'), help='instead of the known sizes')
    add_execution(parser)
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the tables to this file')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if args.graph and (args.compile or not args.device.startswith('cuda')):
        parser.error('--graph needs --device cuda, and goes without --compile')
    args.warmup = max(args.warmup, 4) if args.graph else args.warmup  # of which the third records
    on_cpu = not args.device.startswith('cuda')
    args.small = on_cpu if args.small is None else args.small
    args.rounds = args.rounds or (5 if on_cpu else 20)
    args.norms = [BASELINE, *(norm for norm in args.norms if norm != BASELINE)]
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    measured, parts = {}, []
    with cudnn_search(args.device):
        for name in args.networks:
            print(describe(NETWORKS[name], args), flush=True)
            measured[name] = measure(NETWORKS[name], args)
            parts.append(render_network(NETWORKS[name], measured[name], args))
            print('  ratios to BN: ' + ', '.join(f'{norm} {r.ratio:.3f}' for norm, r in measured[name].items()))
    options = [
        f'autocast to {args.amp}' if args.amp else 'float32',
        *(['channels_last'] if args.channels_last else []),
        *([f'torch.compile ({args.compile_mode})'] if args.compile else []),
        *(['a CUDA graph'] if args.graph else []),
    ]
    head = f'A training step, {", ".join(options)}, {environment(args.device)}, {args.rounds} rounds.\n'
    write('\n'.join([head, *parts, render_table_5(measured, args)]), args.markdown)
    return 0
