"""What T of Newton's iteration and eps do to whitening (Section 3.4 of the paper), eigendecomposition beside it.

    python tools/benchmark/newton.py [--iterations 3 5 7 10] [--eps 1e-5 1e-3 1e-2] [--dtype float64] [--markdown FILE]

Three tables. First, random covariances of known condition number: a random basis, variances spread evenly on a
logarithmic scale, their mean 1. The layer's own matrix P, read off its output in evaluation, leaves the residual
‖P Σ P − I‖ / √D in Frobenius norm, 0 where Σ is whitened; eps is in P and not in Σ. Second, the same of features that
random convolutions make of drawn images: how white BW leaves a batch, in training. Third, the time of forward and
backward on an input so small that most of it is the algebra on matrices. `--dtype float64` tells what the iteration
itself leaves from what rounding does to it. Needs torch alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sw_mmseg.benchmark.measure import check_common, write
from sw_mmseg.benchmark.newton import report

CONDITIONS = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--iterations', nargs='+', type=int, default=[3, 5, 7, 10], metavar='T')
    parser.add_argument('--eps', nargs='+', type=float, default=[1e-5, 1e-3, 1e-2])
    parser.add_argument('--conditions', nargs='+', type=float, default=CONDITIONS, help='largest by smallest variance')
    parser.add_argument('--matrices', type=int, default=64, help='random covariances for each condition number')
    parser.add_argument('--images', type=int, default=8, help='drawn images, 128x128')
    parser.add_argument('--rounds', type=int, default=30, help='of timing')
    parser.add_argument('--dtype', choices=['float32', 'float64'], default='float32', help='of inputs and layer')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the tables to this file')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if min(args.iterations, default=0) < 1 or min(args.eps) <= 0 or min(args.conditions) < 1:
        parser.error('--iterations must be at least 1, --eps positive and --conditions at least 1')
    if args.matrices < 1 or args.images < 2:
        parser.error('--matrices must be at least 1 and --images at least 2')
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    torch.manual_seed(0)
    write('\n'.join(report(args)), args.markdown)
    return 0
