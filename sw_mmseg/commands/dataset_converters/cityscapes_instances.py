"""Writes Cityscapes' instances in COCO's format: `cityscapes_instances.py data/cityscapes`.

Reads `gtFine/*/*/*_gtFine_instanceIds.png` as they unpack and writes, for the eight classes with instances,
annotations/instancesonly_filtered_gtFine_{train,val}.json, the files that mmdet's `CityscapesDataset` reads. Groups,
which are painted without a number, become crowds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sw_mmseg.datasets.instances import CocoFile
from sw_mmseg.datasets.label_file import read_label
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite

SUFFIX = '_gtFine_instanceIds.png'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'root',
        nargs='?',
        type=Path,
        default=Path('data/cityscapes'),
        help='folder with gtFine and leftImg8bit (default: data/cityscapes)',
    )
    add_overwrite(parser)
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def instance_ids(path: Path) -> np.ndarray:
    """The numbers of classes and instances, as they are in the file.

    Raises:
        UserError, DatasetError: it is damaged, or holds colours.
    """
    label = read_label(str(path))
    if label.kind != 'ids':
        raise UserError(f'{path} holds {label.kind}, no numbers of instances: unpack gtFine_trainvaltest.zip again')
    return label.values


def convert(root: Path, split: str, overwrite: bool = False) -> tuple[Path, int, int]:
    """Writes the file of a split; returns its path and the numbers of pictures and objects.

    File names are relative to leftImg8bit/SPLIT, as mmdet's config has them.

    Raises:
        UserError: there are no instance maps, or a map's picture is missing.
    """
    outputs = Outputs(root / 'annotations', 'cityscapes_instances', overwrite)
    name = f'instancesonly_filtered_gtFine_{split}.json'
    outputs.refuse_existing([name])
    folder = root / 'gtFine' / split
    maps = sorted(folder.glob(f'*/*{SUFFIX}'))
    if not maps:
        raise UserError(
            f'no *{SUFFIX} in the cities of {folder}. Unpack gtFine_trainvaltest.zip: python '
            'tools/dataset_converters/cityscapes.py gtFine_trainvaltest.zip'
        )
    file = CocoFile()
    for path in tqdm(maps, desc=split, unit='img', disable=None):
        picture = f'{path.parent.name}/{path.name.replace(SUFFIX, "_leftImg8bit.png")}'
        if not (root / 'leftImg8bit' / split / picture).is_file():
            raise UserError(
                f'{root}/leftImg8bit/{split}/{picture} is missing. Unpack leftImg8bit_trainvaltest.zip: '
                'python tools/dataset_converters/cityscapes.py leftImg8bit_trainvaltest.zip'
            )
        file.add(picture, instance_ids(path))
    outputs.write(name, json.dumps(file.content))
    return outputs.folder / name, len(file.content['images']), len(file.content['annotations'])


def main(args: argparse.Namespace) -> None:
    """Parses, converts, says what there is."""
    for split in ('train', 'val'):
        out, pictures, objects = convert(args.root, split, args.overwrite)
        print(f'{out}: {pictures:,} pictures, {objects:,} objects and crowds')
