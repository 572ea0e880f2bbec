"""Style transfer, measured: train a config with a seed, keep its curves and stylise the same contents. One result, one
file, with a fingerprint of all that it depends on, as in `_scene_runs`."""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image, ImageOps

from sw_mmseg.analysis.curves import read_scalars
from sw_mmseg.files import whole_file
from sw_mmseg.running import records, schedules, training
from sw_mmseg.running.named_configs import find_named, load_named
from sw_mmseg.stylization import find_pictures, resolve_folder, stylise, to_uint8

__all__ = ['CELL', 'Curve', 'Result', 'mean_ratios', 'measure', 'sheet_contents', 'small_config', 'write_picture']

CODE = ((__name__, 'measure'),)  # what results depend on, beside the config
CELL = (288, 192)  # width and height of a picture of the sheet
PHOTOGRAPHS = 'package://sklearn/datasets/images'
Curve = tuple[list[int], list[float]]


@dataclass
class Result:
    """One trained network. `losses` by name, as logged; `ratios` by 'mean/iw' and the like, means over all layers;
    `pictures` are files beside this one."""

    name: str
    seed: int
    losses: dict[str, Curve]
    ratios: dict[str, Curve]
    pictures: list[str]
    seconds: float
    iterations: int
    command: str


def small_config(name: str, root: Path, choices: dict, iterations: int | None) -> tuple[Config, dict]:
    """A config with the study's options put in, and these; of `choices`, by key, None leaves the config's."""
    config = load_named(name)
    options = schedules.schedule_options(config, iterations)
    options.pop('train_cfg.val_interval', None)
    options |= {key: value for key, value in choices.items() if value is not None}
    contents = config.train_dataloader.dataset.dataset.data_root
    moved = [
        str(root) + folder[len(schedules.DATA) :] if folder.startswith(schedules.DATA) else folder
        for folder in contents
    ]
    if moved != contents:
        options['train_dataloader.dataset.dataset.data_root'] = moved
    config.merge_from_dict(options)
    for hook in config.custom_hooks:
        hook.interval = min(hook.interval, config.train_cfg.max_iters)
    return config, options


def measure(
    name: str, seed: int, root: Path, work_dir: Path, choices: dict, iterations: int | None
) -> tuple[Result, bool]:
    """The result of a config and a seed, and whether it was there before.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    config, options = small_config(name, root, choices, iterations)
    folder = work_dir / 'runs' / f'{name}_seed{seed}'
    named = find_named(name)
    run = training.Run(name, 'style transfer', seed, named.path, options, folder, named.norm)
    config.work_dir, config.randomness = str(folder), {'seed': seed}
    contents = sheet_contents(root)
    files = [Path(value) for value in choices.values() if isinstance(value, str) and Path(value).is_file()]
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    mark = records.fingerprint(config, (root / 'manifest.json').read_text(), CELL, hashes, code=CODE)
    file = work_dir / 'results' / f'{name}_seed{seed}.json'
    known = records.read_result(file, mark)
    if known is not None:
        return Result(**known), True
    model, seconds = training.train(run, config, mark, f'    {name}, seed {seed}')
    scalars = read_scalars(folder)
    pictures = []
    for index, content in enumerate(contents):
        part = torch.from_numpy(content).permute(2, 0, 1)[None].float() / 255
        pictures.append(f'{name}_seed{seed}_{index}.png')
        write_picture(file.with_name(pictures[-1]), to_uint8(stylise(model.network, part)[0]))
    losses = {word: scalars[f'loss_{word}'] for word in ('content', 'style', 'variation')}
    result = Result(
        name, seed, losses, mean_ratios(scalars), pictures, seconds, config.train_cfg.max_iters, run.command()
    )
    records.write_result(file, mark, result)
    return result, False


def mean_ratios(scalars: dict[str, Curve]) -> dict[str, Curve]:
    """'ratios/LAYER/mean/iw' of all layers -> 'mean/iw', averaged."""
    layers: dict[str, list[Curve]] = {}
    for key, curve in scalars.items():
        if key.startswith('ratios/'):
            layers.setdefault('/'.join(key.split('/')[-2:]), []).append(curve)
    return {
        key: (curves[0][0], [statistics.mean(values) for values in zip(*(curve[1] for curve in curves))])
        for key, curves in layers.items()
    }


def sheet_contents(root: Path) -> list[np.ndarray]:
    """Two photographs, of which the training saw parts, and two streets of cities that it never saw; RGB (H, W, 3)."""
    streets = find_pictures(root / 'cityscapes/leftImg8bit/val')
    paths = [*find_pictures(resolve_folder(PHOTOGRAPHS)), streets[0], streets[len(streets) // 2]]
    pictures = []
    for path in paths:
        with Image.open(path) as file:
            pictures.append(np.asarray(ImageOps.fit(file.convert('RGB'), CELL, Image.Resampling.BICUBIC)))
    return pictures


def write_picture(file: Path, picture: np.ndarray) -> None:
    """The whole file or none of it."""
    with whole_file(file) as part:
        Image.fromarray(picture).save(part)
