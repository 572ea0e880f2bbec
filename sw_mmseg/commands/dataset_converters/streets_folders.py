"""Streets as a user's own plain folders, to try tools/adapt.py on: `streets_folders.py data/streets data/mine`.

Writes into OUT what no tool of this package was made for: JPEG images in nested folders, and labels of 16 bits with ids
of five classes of its own (classes.yaml names them; what is none of them is 0):

    OUT/source/photos/DAY/N.jpg       OUT/source/masks/DAY/N_label.png       the game
    OUT/target/photos/CITY/N.jpg                                             the cameras, unlabelled
    OUT/target_val/photos/CITY/N.jpg  OUT/target_val/masks/CITY/N_label.png  other pictures of the cameras, to score on
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from sw_mmseg.datasets import GTA5Dataset, RawCityscapesDataset
from sw_mmseg.datasets.labels import ID
from sw_mmseg.datasets.loading import read_label_file
from sw_mmseg.running.alone import alone_in
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.streets import draw_streets

MERGED = {  # name -> id, colour, names of streets' classes
    'road': (10, (128, 64, 128), ('road', 'sidewalk', 'parking', 'rail track', 'ground')),
    'building': (20, (90, 90, 90), ('building', 'wall', 'fence', 'bridge', 'tunnel', 'guard rail')),
    'plants': (30, (107, 142, 35), ('vegetation', 'terrain')),
    'sky': (40, (70, 130, 180), ('sky',)),
    'things': (
        50,
        (220, 20, 60),
        (
            'person',
            'rider',
            'car',
            'truck',
            'bus',
            'train',
            'motorcycle',
            'bicycle',
            'pole',
            'traffic light',
            'traffic sign',
            'caravan',
            'trailer',
            'polegroup',
        ),
    ),
}
DAYS = ('monday', 'tuesday', 'wednesday')


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('streets', type=Path, help='where streets are, or will be drawn')
    parser.add_argument('out', type=Path, help='a new folder')
    parser.add_argument('--images', type=int, help='at most so many of each kind')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def id_table() -> np.ndarray:
    """(256,) uint16: id in the new label files of each id in the old ones."""
    table = np.zeros(256, np.uint16)
    for number, _, names in MERGED.values():
        table[[ID[name] for name in names]] = number
    return table


def write(samples: Iterable[tuple[str, str, str]], out: Path, labelled: bool) -> int:
    """Pictures and, if `labelled`, label files, of (name, image, label file); returns how many."""
    table, count = id_table(), 0
    for name, image, label in tqdm(samples, unit=' images', leave=False, disable=None):
        picture, mask = out / 'photos' / f'{name}.jpg', out / 'masks' / f'{name}_label.png'
        picture.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(image) as pixels:
            pixels.convert('RGB').save(picture, quality=92)
        if labelled:
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(table[read_label_file(label)]).save(mask)
        count += 1
    return count


def samples_of(dataset, names: tuple[str, ...], limit: int | None) -> list[tuple[str, str, str]]:
    """(folder/number, image, label file) of a data set, its pictures spread over the folders."""
    infos = [dataset.get_data_info(i) for i in range(min(len(dataset), limit or len(dataset)))]
    return [
        (f'{names[i % len(names)]}/{i:04d}', info['img_path'], info['seg_map_path']) for i, info in enumerate(infos)
    ]


def main(args: argparse.Namespace) -> int:
    """Parse, draw what is missing, write."""
    if args.images is not None and args.images < 1:
        raise UserError(f'--images must be at least 1, got {args.images}')
    refuse_existing(args.out)
    root = args.streets / 'varied'
    if not root.is_dir():
        root = draw_streets(args.streets)
    part = args.out.with_name(f'.{args.out.name}.part')
    with alone_in(part):
        refuse_existing(args.out)  # another process may have made it meanwhile
        for left in part.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        counts = write_folders(root, part, args.images)
        part.replace(args.out)
    print(f'{counts[0]} labelled, {counts[1]} unlabelled images and {counts[2]} to score on, in {args.out}')
    return 0


def refuse_existing(out: Path) -> None:
    """Raises UserError where something is there."""
    if out.exists():
        raise UserError(f'{out} is there already: remove it, or give another folder')


def write_folders(root: Path, out: Path, limit: int | None) -> list[int]:
    """All of OUT, from the streets in `root`; returns how many images of each kind, at most `limit`."""
    cameras = {
        split: RawCityscapesDataset(data_root=str(root / 'cityscapes'), split=split) for split in ('train', 'val')
    }
    game = GTA5Dataset(data_root=str(root / 'gta5'))
    counts = [
        write(samples_of(game, DAYS, limit), out / 'source', True),
        write(samples_of(cameras['train'], ('north', 'south'), limit), out / 'target', False),
        write(samples_of(cameras['val'], ('north', 'south'), limit), out / 'target_val', True),
    ]
    lines = [f'  {name}: {{ids: [{number}], color: {list(color)}}}' for name, (number, color, _) in MERGED.items()]
    (out / 'classes.yaml').write_text('\n'.join(['classes:', *lines, 'ignore: [0]']) + '\n')
    return counts
