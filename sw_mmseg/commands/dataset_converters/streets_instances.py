"""Makes streets with instances in COCO's format: `streets_instances.py data/streets_instances`.

Pictures are those of streets.py, larger, so that there is something to detect; streets that are in OUT/VARIANT already
are annotated as they are. OUT/VARIANT/annotations gets {cityscapes,groups}_{game,camera}_{train,val}.json: Cityscapes'
eight classes, or people and vehicles. Stop it at will: the next call goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from sw_mmseg.datasets.streets import VARIANTS, generate_streets
from sw_mmseg.datasets.streets.generate import MANIFEST
from sw_mmseg.datasets.streets.instances import write_instances
from sw_mmseg.files import read_json
from sw_mmseg.running.command_line import seed_number, size_word
from sw_mmseg.running.errors import UserError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', nargs='?', type=Path, default=Path('data/streets_instances'), help='folder for the data')
    parser.add_argument(
        '--variant',
        choices=tuple(VARIANTS),
        default='varied',
        help="how the camera's pictures differ among each other (default: varied)",
    )
    parser.add_argument('--size', type=size_word, default=(512, 256), help='width x height (default: 512x256)')
    parser.add_argument('--game', type=int, default=900, help="the game's pictures (default: 900)")
    parser.add_argument('--game-val', type=int, default=100, help='the last of them, which are held out (default: 100)')
    parser.add_argument('--camera-train', type=int, default=100, help="the camera's training pictures (default: 100)")
    parser.add_argument('--camera-val', type=int, default=100, help="the camera's test pictures (default: 100)")
    parser.add_argument(
        '--crowd-below',
        type=int,
        metavar='PIXELS',
        help='smaller objects are in crowds (default: 1/2048 of the picture, 64 of 512x256)',
    )
    parser.add_argument('--seed', type=seed_number, default=0)
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument('--overwrite', action='store_true', help='throw away pictures that are there')
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def shown(bar: tqdm) -> Callable[[int, int], None]:
    """What reports progress to a bar."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show


def pictures(args: argparse.Namespace) -> dict:
    """What pictures there are to be: those of the folder's manifest, or, where there is none, those asked for."""
    manifest = args.out / args.variant / MANIFEST
    if manifest.is_file() and not args.overwrite:
        keys = ('source', 'target_train', 'target_val', 'seed')
        record = read_json(manifest, 'size', *keys, way_out='make the streets anew with --overwrite')
        return {'size': tuple(record['size']), **{key: record[key] for key in keys}}
    return {
        'size': args.size,
        'source': args.game,
        'target_train': args.camera_train,
        'target_val': args.camera_val,
        'seed': args.seed,
    }


def main(args: argparse.Namespace) -> None:
    """Parses, draws what is missing, annotates, and says where the files are."""
    try:
        with tqdm(desc='streets', unit='img', disable=None) as bar:
            root = generate_streets(
                args.out,
                args.variant,
                **pictures(args),
                workers=args.workers,
                overwrite=args.overwrite,
                progress=shown(bar),
            )
    except (FileExistsError, ValueError) as error:
        raise UserError(str(error)) from error
    with tqdm(desc='instances', unit='img', disable=None) as bar:
        files = write_instances(root, args.game_val, args.crowd_below, shown(bar))
    print(f'{len(files)} annotation files are in {next(iter(files.values())).parent}')
