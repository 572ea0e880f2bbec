"""Makes a whole streets data set: every picture from (seed, domain, split, index) alone, so in any order, in any number
of processes, and again after an interruption, the same bytes come out.

Variants beside each other share what they have in common: pictures of the same source, and the targets of a mixed set.
Such files are hard links, so that they take their place on disk once.
"""

import json
import logging
import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sw_mmseg.files import read_json
from sw_mmseg.processes import end_with_parent

from .domains import DEFAULT, VARIANTS, domain_of
from .layouts import Sample, cityscapes_paths, gta5_paths, link_sample, write_atomically, write_sample
from .look import draw_shot
from .ranges import Domain
from .raster import rasterise
from .render import render
from .scene import draw_scene

__all__ = ['MANIFEST', 'VERSION', 'draw_instances', 'draw_sample', 'generate_streets', 'picture_paths']

VERSION = 1  # of the pictures: a change of a scene, a look or a renderer that changes pixels raises it
MANIFEST = 'manifest.json'
_SPLITS = ('source', 'target_train', 'target_val')
_FINE = 2  # pictures are drawn at twice their size and averaged down

Job = tuple[str, int]


def draw_sample(domain: Domain, size: tuple[int, int], seed: int, split: str, index: int) -> Sample:
    """One picture with its labels; `size` is (width, height), `split` one of source, target_train, target_val.

    The scene depends on (seed, split, index) and the layout, not on the size; the look has a stream of its own.
    """
    geometry, pixels = np.random.SeedSequence((seed, _SPLITS.index(split), index)).spawn(2)
    raster = rasterise(draw_scene(domain.layout, geometry), *size, scale=_FINE)
    rng = np.random.default_rng(pixels)
    image = render(raster, draw_shot(domain.look, rng), rng)
    return Sample(image, raster.label_map(), raster.instance_map())


def draw_instances(domain: Domain, size: tuple[int, int], seed: int, split: str, index: int) -> np.ndarray:
    """The instance map (H, W) of the picture that `draw_sample` makes of the same arguments, at a part of its price."""
    geometry, _ = np.random.SeedSequence((seed, _SPLITS.index(split), index)).spawn(2)
    return rasterise(draw_scene(domain.layout, geometry), *size, scale=_FINE).instance_map()


def picture_paths(root: Path, split: str, index: int) -> dict[str, Path]:
    """Files of a picture in the folder of a data set, the picture's own last."""
    if split == 'source':
        return gta5_paths(root, index)
    return cityscapes_paths(root, split.removeprefix('target_'), index)


def _make(job: Job, root: Path, variant: str, size: tuple[int, int], seed: int, twins: tuple[str, ...] = ()) -> None:
    split, index = job
    domain, paths = domain_of(variant, split, index), picture_paths(root, split, index)
    for other in twins:
        same = domain_of(other, split, index) is domain
        if same and link_sample(picture_paths(root.parent / other, split, index), paths):
            return
    write_sample(paths, draw_sample(domain, size, seed, split, index), split == 'source')


def _start_worker() -> None:
    end_with_parent()
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


def _options(variant: str, size: tuple[int, int], counts: dict[str, int], seed: int) -> dict:
    if variant not in VARIANTS:
        raise ValueError(f'unknown streets variant {variant!r}; there are {", ".join(VARIANTS)}')
    if min(size) < 16:
        raise ValueError(f'size {size[0]}x{size[1]} is too small to show a street; the least is 16x16')
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f'{name}={count}: the number of pictures cannot be negative')
    if seed < 0:
        raise ValueError(f'seed={seed}: a seed is 0 or more')
    return dict(version=VERSION, variant=variant, size=list(size), seed=seed, **counts)


def _check_manifest(root: Path, options: dict, overwrite: bool) -> None:
    """Claims `root` for these options, or raises where it holds others."""
    path = root / MANIFEST
    if overwrite:
        for name in ('gta5', 'cityscapes', 'ade20k', 'annotations'):
            shutil.rmtree(root / name, ignore_errors=True)
        path.unlink(missing_ok=True)
    if path.exists():
        manifest = read_json(path, way_out='make the streets anew with --overwrite')
        different = [
            f'{key} {manifest.get(key)!r}, not {value!r}'
            for key, value in options.items()
            if manifest.get(key) != value
        ]
        if different:
            raise FileExistsError(
                f'{root} holds streets made with other options ({"; ".join(different)}). Ask for the '
                'same options, choose another folder, or make it anew with --overwrite.'
            )
    elif any((root / name).exists() for name in ('gta5', 'cityscapes')):
        raise FileExistsError(
            f'{root} holds gta5 or cityscapes folders but no {MANIFEST}, so they are not streets. '
            'Choose another folder.'
        )
    write_atomically(path, (json.dumps(options, indent=1) + '\n').encode())


def _twins(root: Path, options: dict) -> tuple[str, ...]:
    """Variants beside `root` of which a picture is the same where its domain is."""
    twins = []
    for variant in VARIANTS:
        path = root.with_name(variant) / MANIFEST
        if variant != options['variant'] and path.is_file():
            manifest = read_json(path)
            if all(manifest.get(key) == options[key] for key in ('version', 'size', 'seed')):
                twins.append(variant)
    return tuple(twins)


def generate_streets(
    out: str | Path,
    variant: str = DEFAULT,
    size: tuple[int, int] = (256, 128),
    source: int = 800,
    target_train: int = 800,
    target_val: int = 100,
    seed: int = 0,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes what is missing of a data set and returns its folder, `out`/`variant`.

    `size` is (width, height). `progress(done, total)` is called after each picture, and once at the start. A second
    call with the same options makes nothing; with others it raises `FileExistsError` unless `overwrite`.
    """
    counts = dict(source=source, target_train=target_train, target_val=target_val)
    options = _options(variant, size, counts, seed)
    root = Path(out) / variant
    _check_manifest(root, options, overwrite)
    jobs = [(split, index) for split in _SPLITS for index in range(counts[split])]
    missing = [job for job in jobs if not all(path.exists() for path in picture_paths(root, *job).values())]
    done = len(jobs) - len(missing)
    logging.getLogger(__name__).info('streets in %s: %d pictures there, %d to make', root, done, len(missing))
    report = progress or (lambda done, total: None)
    report(done, len(jobs))
    make = partial(_make, root=root, variant=variant, size=size, seed=seed, twins=_twins(root, options))
    for _ in _run(make, missing, workers):
        done += 1
        report(done, len(jobs))
    return root


def _run(make: Callable[[Job], None], jobs: list[Job], workers: int) -> Iterator[None]:
    """Yields after every picture; made here, or by worker processes that a stop takes with it."""
    if workers <= 1 or len(jobs) < 2:
        yield from map(make, jobs)
        return
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(method), _start_worker)
    try:
        yield from pool.map(make, jobs, chunksize=8)
    finally:
        pool.shutdown(cancel_futures=True)
