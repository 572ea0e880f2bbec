"""What a layer on the Triton path costs the host, in kernels, operations of torch and microseconds, beside BatchNorm2d.

    python tools/benchmark/host_cost.py [--rounds 30] [--repeats 50]

Starts of kernels are replaced by nothing, so that no GPU is needed: forward, forward + backward and evaluation of SWa
and SWb. Goals: 3 kernels forward and 3 backward; 30 µs forward and 80 µs forward + backward on a machine whose
BatchNorm2d takes 12.5 and 38.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from sw_mmseg.benchmark.host_cost import measured, table
from sw_mmseg.benchmark.measure import check_common, environment, write


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=30, help='medians are over these; three more do not count')
    parser.add_argument('--repeats', type=int, default=50, help='calls a round')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file')
    args = parser.parse_args(arguments)
    args.device, args.threads = 'cpu', 1
    check_common(parser, args)
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    if importlib.util.find_spec('triton') is None:
        print('error: Triton is not installed: it comes with torch for CUDA on Linux', file=sys.stderr)
        return 2
    results = measured(args.rounds, args.repeats)
    write(f'{environment("cpu")}, starts of kernels replaced by nothing\n\n{table(results)}', args.markdown)
    return 0
