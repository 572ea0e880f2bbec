"""The instances of a streets data set, as COCO annotation files beside its pictures.

GTA5's layout has no instance maps, so the maps are drawn anew from the scenes, which follow from the manifest: the same
objects at the same pixels as in the labels. Every file is there for two sets of classes, Cityscapes' eight and the two
groups, people and vehicles:

    annotations/{cityscapes,groups}_{game_train,game_val,camera_train,camera_val}.json
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sw_mmseg.files import read_json

from ..errors import DatasetError
from ..instances import CITYSCAPES, GROUPS, CocoFile
from .domains import domain_of
from .generate import MANIFEST, VERSION, draw_instances, picture_paths
from .layouts import write_atomically

__all__ = ['instance_files', 'write_instances']

CLASSES = {'cityscapes': CITYSCAPES, 'groups': GROUPS}
FOLDER = 'annotations'
MAKE = 'python tools/dataset_converters/streets_instances.py'


def instance_files(root: str | Path) -> dict[str, Path]:
    """Annotation files of a streets folder by 'CLASSES_DOMAIN_SPLIT'."""
    parts = [f'{domain}_{split}' for domain in ('game', 'camera') for split in ('train', 'val')]
    return {f'{name}_{part}': Path(root) / FOLDER / f'{name}_{part}.json' for name in CLASSES for part in parts}


def write_instances(
    root: str | Path,
    game_val: int = 100,
    crowd_below: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Writes all annotation files of `root` (OUT/VARIANT of the generator) and returns them.

    Args:
        root: a folder of streets.
        game_val: how many of the game's pictures, the last ones, are held out of its training part.
        crowd_below: objects of fewer visible pixels are in crowds; None for 1/2048 of the picture, 64 of 512x256.
        progress: called with (done, total) pictures.

    Raises:
        DatasetError: no streets there, made by another version, or too few pictures to hold `game_val` out.
    """
    root = Path(root)
    options = _manifest(root)
    count = options['source']
    if crowd_below is None:
        crowd_below = options['size'][0] * options['size'][1] // 2048
    if not 0 < game_val < count:
        raise DatasetError(f'{root} has {count} pictures of the game: {game_val} of them cannot be held out')
    parts = _parts(options, game_val)
    files, done, total = instance_files(root), 0, sum(len(indices) for _, indices in parts.values())
    for part, (split, indices) in parts.items():
        written = {f'{name}_{part}': CocoFile(classes, crowd_below) for name, classes in CLASSES.items()}
        for index in indices:
            name, instance_ids = _picture(root, options, split, index)
            for file in written.values():
                file.add(name, instance_ids)
            done += 1
            if progress:
                progress(done, total)
        for name, file in written.items():
            write_atomically(files[name], json.dumps(file.content).encode())
    return files


def _parts(options: dict, game_val: int) -> dict[str, tuple[str, range]]:
    """Part -> the generator's split, and which of its pictures; the last `game_val` of the game are held out."""
    count = options['source']
    return {
        'game_train': ('source', range(count - game_val)),
        'game_val': ('source', range(count - game_val, count)),
        'camera_train': ('target_train', range(options['target_train'])),
        'camera_val': ('target_val', range(options['target_val'])),
    }


def _manifest(root: Path) -> dict:
    path = root / MANIFEST
    if not path.is_file():
        raise DatasetError(f'no streets in {root}: it has no {MANIFEST}. Make them with: {MAKE} {root.parent}')
    options = read_json(path, 'version', way_out=f'make them anew with: {MAKE} {root.parent} --overwrite')
    if options['version'] != VERSION:
        raise DatasetError(
            f'the streets in {root} are of version {options["version"]}, this program draws version {VERSION}: make '
            f'them anew with: {MAKE} {root.parent} --overwrite'
        )
    return options


def _picture(root: Path, options: dict, split: str, index: int) -> tuple[str, np.ndarray]:
    """File name, relative to `root`, and instance map of a picture."""
    path = picture_paths(root, split, index)['image']
    if not path.is_file():
        raise DatasetError(f'picture {path} is missing: run the streets generator again, it goes on where it stopped')
    domain = domain_of(options['variant'], split, index)
    return path.relative_to(root).as_posix(), draw_instances(
        domain, tuple(options['size']), options['seed'], split, index
    )
