"""Whether a device computes the layer as fp64 does, to be run before anything is timed there; needs torch alone.

    python tools/benchmark/equality.py [--device cuda] [--markdown FILE]

Outputs, gradients and running statistics of layers of all kinds, and 20 repeats of each step, equal to the last bit.
The exit status is 1 where one is not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.benchmark.equality import checks
from sw_mmseg.benchmark.measure import check_common, environment, markdown, write


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, compare, print."""
    rows, failed = [], 0
    for case, outcome in checks(args.device):
        failed += not outcome.passed
        worst = max(outcome.errors, key=lambda name: outcome.errors[name])
        options = [str(case.dtype)[6:], *(['channels_last'] if case.channels_last else [])]
        name = f'{case.norm} {"×".join(map(str, case.shape))}, D ≤ {case.group_size}, {" ".join(options)}'
        repeats = 'equal' if outcome.repeats else 'different'
        verdict = 'passed' if outcome.passed else 'FAILED'
        name += ', frozen' if case.frozen else ''
        rows.append([name, f'{outcome.errors[worst]:.1e} ({worst})', repeats, verdict])
    header = ['layer', 'largest error against fp64', 'repeats', 'verdict']
    write(f'{environment(args.device)}: {failed} of {len(rows)} failed\n\n{markdown(header, rows)}', args.markdown)
    return int(failed > 0)
