"""Table 1 of the paper, measured: `tools/analysis/cost.py`.

Forward and backward of every set of statistics while one of N, C, H·W, the group size D and C without groups grows and
the rest stays; time and peak memory, and the exponents fitted to both beside what the table predicts. Norms are timed
in turn (sw_mmseg/benchmark/measure.py says how). `--docs` fills Table 1 of docs/understanding.md. With `--study DIR`, a
work directory of scene_parsing_study.py that has the configs of Table 5, it writes that table and measures nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sw_mmseg.analysis.tables import to_markdown
from sw_mmseg.benchmark.measure import check_common
from sw_mmseg.running import paths
from sw_mmseg.studies.cost import POINTS, TABLE_5, measure, table_5, write
from sw_mmseg.studies.measured_results import say_unchecked

DOCS, IMAGES = paths.DOCS / 'understanding.md', paths.DOCS / 'images'
NORMS = ('BN', 'IN', 'LN', 'SN', 'BW', 'IW', 'SWa', 'SWb')


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--norms', nargs='+', choices=NORMS, default=list(NORMS), metavar='NORM')
    parser.add_argument('--axes', nargs='+', choices=list(POINTS), default=list(POINTS), metavar='AXIS')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--rounds', type=int, default=7, help='each norm once a round, after one that does not count')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--shrink', type=int, default=1, help='divide the side of all inputs, to try the tool out')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/cost'))
    parser.add_argument('--docs', action='store_true', help='fill docs/understanding.md')
    parser.add_argument('--study', type=Path, metavar='DIR', help='write Table 5 from this study; measure nothing')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if args.shrink < 1 or args.shrink > 8:
        parser.error('--shrink must be 1 to 8')
    if args.study and not list(args.study.glob('results/*.json')):
        parser.error(
            f'{args.study} has no results/*.json: run tools/analysis/scene_parsing_study.py '
            f'{" ".join(TABLE_5)} --work-dir {args.study}'
        )
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, write."""
    torch.manual_seed(0)
    if args.study:
        say_unchecked([file.stem for file in sorted(args.study.glob('results/*.json'))], [])
        page, mark = to_markdown(table_5(args.study)), 'table 5'
    else:
        page, mark = write(args.out, *measure(args), args), 'table 1'
    print(page)
    if args.docs:
        from sw_mmseg.studies.documents import fill_with_pictures

        fill_with_pictures(DOCS, IMAGES, mark, page, args.out, 'understanding_')
    return 0
