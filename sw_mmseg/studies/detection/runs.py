"""Mask R-CNN on streets, measured: train a config with a seed on the game, score it on the game and on the camera.

One result, one file, with a fingerprint of all that it depends on, as for scene parsing: a second call skips what is
done and measures anew what has become out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmdet.evaluation import CocoMetric
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from sw_mmseg.adaptation import estimate_statistics, running_layers
from sw_mmseg.analysis.average_precision import average_precision
from sw_mmseg.datasets.streets.instances import instance_files
from sw_mmseg.running import records, schedules, scoring, training
from sw_mmseg.running.named_configs import find_named, load_named

__all__ = ['CAMERA', 'GAME', 'REESTIMATED', 'Result', 'configure', 'groups', 'loader', 'measure', 'score']

CODE = ((__name__, 'measure'),)  # what results depend on, beside the config
GAME, CAMERA, REESTIMATED = 'game', 'camera', "camera, the camera's statistics"
Scores = dict[str, dict[str, float]]  # 'bbox' or 'segm' -> 'AP', 'AP50', 'AP person', ...


@dataclass
class Result:
    """One trained network, scored on held-out pictures of every domain; percent. `seconds` is the training's, `ratios`
    what the switches ended at."""

    name: str
    seed: int
    scores: dict[str, Scores]
    seconds: float
    iterations: int
    command: str
    ratios: dict[str, float] = field(default_factory=dict)
    device: str = ''


def configure(name: str, root: Path, iterations: int | None) -> tuple[Config, dict]:
    """A config of configs/ on the streets in `root`, and the options that make the same of it on a command line."""
    config = load_named(name)
    options = schedules.schedule_options(config, iterations)
    if root != Path(config.data_root):
        old = config.data_root
        options |= {'train_dataloader.dataset.dataset.data_root': str(root)}
        for part in ('val', 'test'):
            options[f'{part}_dataloader.dataset.data_root'] = str(root)
            options[f'{part}_evaluator.ann_file'] = config[f'{part}_evaluator'].ann_file.replace(old, str(root))
    config.merge_from_dict(options)
    return config, options


def measure(name: str, seed: int, root: Path, work_dir: Path, iterations: int | None) -> tuple[Result, bool]:
    """The result of a config and a seed, and whether it was there before.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    config, options = configure(name, root, iterations)
    folder = work_dir / 'runs' / f'{name}_seed{seed}'
    named = find_named(name)
    run = training.Run(name, 'detection', seed, named.path, options, folder, named.norm)
    config.work_dir, config.randomness = str(folder), {'seed': seed}
    config.train_cfg.val_interval = config.train_cfg.max_iters + 1  # scored once, here
    mark = records.fingerprint(config, *(path.stat().st_size for path in instance_files(root).values()), code=CODE)
    file = work_dir / 'results' / f'{name}_seed{seed}.json'
    known = records.read_result(file, mark)
    if known is not None:
        return Result(**known), True
    init_default_scope('mmdet')
    model, seconds = training.train(run, config, mark, f'    {name}, seed {seed}')
    with training.quiet(folder / 'console.log'):
        scores = {
            GAME: score(model, config, root, 'game_val', folder),
            CAMERA: score(model, config, root, 'camera_val', folder),
        }
        if running_layers(model):
            with torch.no_grad():
                estimate_statistics(model, loader(config, 'camera_train'), model.test_step)
            scores[REESTIMATED] = score(model, config, root, 'camera_val', folder)
    result = Result(
        name,
        seed,
        scores,
        seconds,
        config.train_cfg.max_iters,
        run.command(),
        scoring.switch_ratios(model),
        records.device_name(),
    )
    records.write_result(file, mark, result)
    return result, False


def loader(config: Config, part: str) -> torch.utils.data.DataLoader:
    """Pictures of a part of the data, 'camera_val', prepared as the config prepares its validation pictures."""
    dataset = ConfigDict({**config.val_dataloader.dataset, 'ann_file': f'annotations/groups_{part}.json'})
    return Runner.build_dataloader(
        ConfigDict(
            batch_size=config.val_dataloader.batch_size,
            num_workers=0,
            dataset=dataset,
            sampler=ConfigDict(type='DefaultSampler', shuffle=False),
            collate_fn=ConfigDict(type='pseudo_collate'),
        )
    )


@torch.no_grad()
def score(model: torch.nn.Module, config: Config, root: Path, part: str, folder: Path) -> Scores:
    """Box and mask AP on a part of the data; detections are left in `folder`."""
    annotations = root / 'annotations' / f'groups_{part}.json'
    metric = CocoMetric(
        ann_file=str(annotations), metric=['bbox', 'segm'], format_only=True, outfile_prefix=str(folder / part)
    )
    batches = loader(config, part)
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = batches.dataset.metainfo
    model.eval()
    for batch in batches:
        evaluator.process(data_samples=model.test_step(batch), data_batch=batch)
    evaluator.evaluate(len(batches.dataset))
    return {kind: average_precision(annotations, folder / f'{part}.{kind}.json', kind) for kind in ('bbox', 'segm')}


def groups(results: list[Result]) -> Iterator[tuple[str, list[Result]]]:
    """Config -> its results, one a seed, in the order of their first."""
    for name in dict.fromkeys(result.name for result in results):
        yield name, [result for result in results if result.name == name]
