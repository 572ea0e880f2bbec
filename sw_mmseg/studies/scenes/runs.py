"""Scene parsing on streets, measured: train a config with a seed, score it, keep the result. One result, one file.

A result carries a fingerprint of all that it depends on, as the demo's rows do, so that a second call skips what is
done and measures anew what has become out of date.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmengine.config import Config

from sw_mmseg.running import data_sets, records, schedules, scoring, training
from sw_mmseg.running.named_configs import find_named, load_named
from sw_mmseg.running.streets import knows, use_streets

__all__ = ['Result', 'measure', 'small_config']

CODE = ((__name__, 'measure'),)  # what results depend on, beside the config


@dataclass
class Result:
    """One trained network, scored on pictures of cities that no training saw; in percent, NaN for a class that none
    of them shows. `seconds` is the training's, `ratios` what the switches ended at."""

    name: str
    seed: int
    mean_iou: float
    pixel_accuracy: float
    class_iou: dict[str, float]
    seconds: float
    iterations: int
    command: str
    ratios: dict[str, float] = field(default_factory=dict)
    device: str = ''


def small_config(name: str, root: Path, iterations: int | None) -> tuple[Config, list[str]]:
    """A config of configs/ on the streets in `root`, and the words that make the same of it on a command line."""
    config = load_named(name)
    words = ['--streets'] if knows(config) else []
    if words:
        use_streets(config, root)
    options = schedules.schedule_options(config, iterations)
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        options |= schedules.data_options(config[part], str(root), part)
    config.merge_from_dict(options)
    config.train_cfg.val_interval = config.train_cfg.max_iters + 1  # scored once, by `measure`
    return config, words + (['--cfg-options', *(f'{key}={value}' for key, value in options.items())] if options else [])


def measure(name: str, seed: int, root: Path, work_dir: Path, iterations: int | None) -> tuple[Result, bool]:
    """The result of a config and a seed, and whether it was there before.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    config, words = small_config(name, root, iterations)
    folder = work_dir / 'runs' / f'{name}_seed{seed}'
    named = find_named(name)
    run = training.Run(name, 'scene parsing', seed, named.path, {}, folder, named.norm)
    config.work_dir, config.randomness = str(folder), {'seed': seed}
    mark = records.fingerprint(config, (root / 'manifest.json').read_text(), code=CODE)
    file = work_dir / 'results' / f'{name}_seed{seed}.json'
    known = records.read_result(file, mark)
    if known is not None:
        return Result(**known), True
    model, seconds = training.train(run, config, mark, f'    {name}, seed {seed}')
    with training.quiet(folder / 'console.log'):
        metrics, class_iou = scoring.score(model, data_sets.build_loader(config.test_dataloader.dataset, 4))
    result = Result(
        name,
        seed,
        float(np.nanmean(list(class_iou.values()))),
        float(metrics['aAcc']),
        class_iou,
        seconds,
        config.train_cfg.max_iters,
        ' '.join([run.command(), *words]),
        scoring.switch_ratios(model),
        records.device_name(),
    )
    records.write_result(file, mark, result)
    return result, False
