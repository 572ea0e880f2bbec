"""Unpacks and counts Cityscapes: `cityscapes.py leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip`.

Both archives are at https://www.cityscapes-dataset.com/downloads/ after a free registration (11 GB and 0.2 GB). They
need no conversion: the configs read their files as they are. `--train-ids` also writes `*_gtFine_labelTrainIds.png`,
which mmsegmentation's own `CityscapesDataset` reads; it works on streets too (`--out data/streets/varied/cityscapes`).
Without an archive the tool only counts. It goes on where it was stopped. Exit status: 0 where nothing is missing, 1
where something is, 2 where an archive cannot be read.
"""

import argparse
from pathlib import Path

import cv2
from tqdm import tqdm

from sw_mmseg.datasets.cityscapes import SUFFIXES
from sw_mmseg.datasets.loading import map_ids, read_label_file
from sw_mmseg.datasets.streets.layouts import write_atomically
from sw_mmseg.running.archives import Pair, report, unpack

COUNTS = {'train': 2_975, 'val': 500}  # the test set's labels are blank: nothing here reads it


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('archives', nargs='*', type=Path, help='the two downloaded files, in any order')
    parser.add_argument('--out', type=Path, default=Path('data/cityscapes'), help='folder to unpack into')
    parser.add_argument('--train-ids', action='store_true', help='also write *_gtFine_labelTrainIds.png')
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def write_train_ids(root: Path) -> int:
    """Writes what is missing of the train ids beside the raw ids; returns how many files that were."""
    raw = [path for split in COUNTS for path in sorted((root / 'gtFine' / split).glob(f'*/*{SUFFIXES["raw"]}'))]
    todo = [(path, path.with_name(path.name.replace(SUFFIXES['raw'], SUFFIXES['train']))) for path in raw]
    todo = [(path, out) for path, out in todo if not out.exists()]
    for path, out in tqdm(todo, desc='train ids', unit=' files', disable=None):
        labels = map_ids(read_label_file(str(path)), 'raw', str(path))
        write_atomically(out, cv2.imencode('.png', labels)[1].tobytes())
    return len(todo)


def main(args: argparse.Namespace) -> int:
    """Read, do, print."""
    unpack(args.archives, args.out, lambda name: name.startswith(('leftImg8bit/', 'gtFine/')))
    if args.train_ids:
        print(f'{write_train_ids(args.out):,} files of train ids written')
    pairs = [
        Pair(f'leftImg8bit/{split}', f'gtFine/{split}', '_leftImg8bit.png', SUFFIXES['raw'], count)
        for split, count in COUNTS.items()
    ]
    return int(report(args.out, pairs) > 0)
