"""Time and memory of stylising one large picture with one norm or another, as ratios to IN in the same run.

    python tools/benchmark/stylize.py [--device cuda] [--norms IW SWa SWb BN] [--size 1024 1024] [--tile 512]
        [--markdown FILE]

The network is Johnson et al.'s at its full width, evaluated; weights and the picture are random.
Needs torch and mmengine. Goals: IW and SWa at most 2 x IN in time on a CPU, 1.15 x on a GPU.
"""

import argparse
import gc
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

import sw_mmseg.models.norms  # noqa: F401  registers the norms
from sw_mmseg.benchmark.measure import (
    check_common,
    digits,
    environment,
    in_turn,
    markdown,
    median_ratio,
    peak_mib,
    write,
)
from sw_mmseg.stylization import StyleNetwork, WholePicture
from sw_mmseg.whitening import NORMS_BY_TITLE

BASELINE = 'IN'
NORMS = {title: NORMS_BY_TITLE[title].config() for title in ('IN', 'BN', 'IW', 'SWa', 'SWb')}
JUDGED = ('IW', 'SWa')
GOALS = {'cpu': 2.0, 'cuda': 1.15}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--norms',
        nargs='+',
        choices=list(NORMS),
        default=list(NORMS),
        metavar='NORM',
        help=f'of {", ".join(NORMS)}; {BASELINE} is always measured',
    )
    parser.add_argument('--size', type=int, nargs=2, default=(1024, 1024), metavar=('H', 'W'))
    parser.add_argument('--width', type=int, default=32, help='channels of the first convolution')
    parser.add_argument('--tile', type=int, default=0, help='pixels a side of tiles; 0: none')
    parser.add_argument('--decoder', choices=('transposed', 'resize'), default='transposed')
    parser.add_argument('--rounds', type=int, help='each norm once a round (default: 5 on a CPU, 20 on a GPU)')
    parser.add_argument('--warmup', type=int, default=1, help='rounds before that')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if args.tile < 0 or args.tile % 4:
        parser.error(f'--tile must be a multiple of 4, or 0, got {args.tile}')
    args.rounds = args.rounds or (5 if args.device == 'cpu' else 20)
    args.norms = [BASELINE, *(norm for norm in args.norms if norm != BASELINE)]
    return args


def build_step(norm: str, args: argparse.Namespace) -> Callable[[], torch.Tensor]:
    """A function that stylises the picture; every norm has the same convolutions."""
    torch.manual_seed(0)
    network = StyleNetwork(NORMS[norm], args.width, decoder=args.decoder)
    whole = WholePicture(network, args.tile, device=args.device)
    picture = torch.rand(3, *args.size, device='cpu' if args.tile else args.device)
    return lambda: whole(picture)


def main(args: argparse.Namespace) -> int:
    """Prints the table; the exit status is 1 where a goal is missed."""
    memory = {}
    for norm in args.norms:
        gc.collect()  # what is left of the network before must not be released while this one is measured
        memory[norm] = peak_mib(lambda norm=norm: build_step(norm, args), args.device)
    steps = {norm: build_step(norm, args) for norm in args.norms}
    times = in_turn(steps, args.device, args.rounds, args.warmup)
    ratios = {norm: median_ratio(times[norm], times[BASELINE]) for norm in args.norms}
    goal = GOALS[torch.device(args.device).type] if torch.device(args.device).type in GOALS else float('inf')
    rows = [
        [
            norm,
            digits(statistics.median(times[norm])),
            f'{ratios[norm]:.3f}',
            digits(memory[norm]),
            f'{memory[norm] / memory[BASELINE]:.3f}',
        ]
        for norm in args.norms
    ]
    missed = [norm for norm in JUDGED if ratios.get(norm, 0) > goal]
    verdicts = [
        f'{norm} {ratios[norm]:.3f} ({"missed" if norm in missed else "met"})' for norm in JUDGED if norm in ratios
    ]
    text = markdown(['norm', 'ms an image', f'ratio to {BASELINE}', 'MiB at the peak', f'ratio to {BASELINE}'], rows)
    tiles = f', tiles of {args.tile}' if args.tile else ''
    write(
        f'Stylising {args.size[0]}×{args.size[1]}, width {args.width}, {args.decoder} decoder{tiles}. '
        f'{environment(args.device)}.\n\n{text}\nGoal, at most {goal}: {", ".join(verdicts) or "not measured"}.\n',
        args.markdown,
    )
    return int(bool(missed))
