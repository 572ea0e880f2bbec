"""See what training sees: `tools/analysis/browse_dataset.py CONFIG OUT`.

Writes pictures as the training pipeline makes them (resized, cropped, mirrored, ...) beside their labels in colour, and
a legend: OUT/train_00000.png, OUT/train_00001.png, ... Wrong ids, shifted labels and too strong augmentation show at a
glance. The pictures are the first that a run of the config's seed trains on; of a two-domain config, both sides.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image
from tqdm import tqdm

from sw_mmseg.analysis import contact_sheet
from sw_mmseg.datasets.positions import Stream
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite
from sw_mmseg.running.streets import make_streets, use_streets


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a file of configs/')
    parser.add_argument('out', type=Path, help='a folder')
    parser.add_argument('--number', type=int, default=10, help='how many pictures (default: 10)')
    parser.add_argument('--part', choices=('train', 'val', 'test'), default='train', help='which of the data sets')
    parser.add_argument('--width', type=int, default=480, help='of a picture, in pixels (default: 480)')
    parser.add_argument('--streets', action='store_true', help='as train.py --streets')
    add_overwrite(parser)
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def panels(packed: dict, name: str = 'picture') -> dict[str, np.ndarray]:
    """RGB picture and, where there are any, labels, by title; both sides of a pair."""
    if 'inputs' not in packed:
        return {title: panel for side in packed for title, panel in panels(packed[side], side).items()}
    tiles = {name: packed['inputs'].numpy().transpose(1, 2, 0)[..., ::-1].astype(np.uint8)}
    if 'gt_sem_seg' in packed['data_samples']:
        tiles['labels'] = packed['data_samples'].gt_sem_seg.data.squeeze(0).numpy().astype(np.uint8)
    return tiles


def main(args: argparse.Namespace) -> int:
    """Parse, load, write."""
    if args.number < 1 or args.width < 16:
        raise UserError('--number must be at least 1 and --width at least 16')
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    if args.streets:
        use_streets(config)
        make_streets(config)
    loader = config.get(f'{args.part}_dataloader')
    if not loader:
        raise UserError(f'{args.config} has no {args.part}_dataloader')
    dataset = build('data', lambda: DATASETS.build(loader.dataset))
    if isinstance(dataset, Stream):
        dataset.follow(config.get('randomness', {}).get('seed') or 0)
    meta = dataset.metainfo
    outputs = Outputs(args.out, 'browse_dataset', args.overwrite)
    names = [f'{args.part}_{index:05d}.png' for index in range(min(args.number, len(dataset)))]
    outputs.refuse_existing(names)
    for index, name in enumerate(tqdm(names, unit=' pictures', disable=None)):
        sheet = contact_sheet([panels(dataset[index])], meta['classes'], meta['palette'], tile_width=args.width)
        outputs.write_encoded(name, partial(Image.fromarray(sheet).save, format='PNG'))
    print(f'{len(names)} of {len(dataset)} pictures, in {args.out}')
    return 0
