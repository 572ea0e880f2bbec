"""How often each class occurs in a two-domain set: `tools/analysis/class_shares.py data/streets/varied`.

Reads the labels of FOLDER/gta5 and of FOLDER/cityscapes (training part) and prints a Markdown table: percent of the
labelled pixels, and in brackets percent of the pictures that show the class.
"""

import argparse
from pathlib import Path

import numpy as np

from sw_mmseg.datasets import CLASSES, GTA5Dataset, RawCityscapesDataset
from sw_mmseg.datasets.rare_class import count_pixels


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='holds gta5 and cityscapes')
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def cells(counts: np.ndarray) -> list[str]:
    """'37.26 (100)' for each class, from pixels by picture and class, in the last column those without a class."""
    counts = counts[:, : len(CLASSES)]
    shares = 100 * counts.sum(0) / counts.sum()
    pictures = 100 * (counts > 0).mean(0)
    return [f'{share:.2f} ({seen:.0f})' for share, seen in zip(shares, pictures)]


def main(args: argparse.Namespace) -> None:
    """Read, do, print."""
    source = count_pixels(GTA5Dataset(data_root=str(args.folder / 'gta5')), cache=False)
    target = count_pixels(RawCityscapesDataset(data_root=str(args.folder / 'cityscapes'), split='train'), cache=False)
    print('| class | source | target |\n|---|---|---|')
    for row in zip(CLASSES, cells(source), cells(target)):
        print('| ' + ' | '.join(row) + ' |')
    void = [100 * counts[:, len(CLASSES) :].sum() / counts.sum() for counts in (source, target)]
    print(f'\n{len(source)} source and {len(target)} target pictures; void: {void[0]:.1f} % and {void[1]:.1f} %')
