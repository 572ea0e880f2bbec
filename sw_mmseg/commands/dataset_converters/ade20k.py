"""Unpacks and counts ADE20K: `python tools/dataset_converters/ade20k.py ADEChallengeData2016.zip`.

The archive is at http://data.csail.mit.edu/places/ADEchallenge/ (0.9 GB). It needs no conversion: the configs read its
files as they are. Without an archive the tool only counts. It goes on where it was stopped. Exit status: 0 where
nothing is missing, 1 where something is, 2 where an archive cannot be read.
"""

import argparse
from pathlib import Path

from sw_mmseg.datasets.ade20k import COUNTS
from sw_mmseg.running.archives import Pair, report, unpack

FOLDER = 'ADEChallengeData2016'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('archives', nargs='*', type=Path, help=f'{FOLDER}.zip')
    parser.add_argument('--out', type=Path, default=Path('data/ade'), help=f'folder that {FOLDER} goes into')
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Read, do, print."""
    unpack(args.archives, args.out, lambda name: name.startswith(f'{FOLDER}/'))
    pairs = [Pair(f'images/{split}', f'annotations/{split}', '.jpg', '.png', count) for split, count in COUNTS.items()]
    return int(report(args.out / FOLDER, pairs) > 0)
