"""One cell of the adaptation study: a method and a norm trained with a seed, scored under every statistics policy.

A cell trains the config bn_METHOD_DATA.py with another norm at its sites, and another network if asked for. Methods
with target images keep a set of running statistics for each domain ('separate'), so that one training is scored with
the source's, the target's, and statistics re-estimated afterwards: while it trains, a norm uses its batch's, whatever
the policy.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from pathlib import Path

import torch
from mmengine.config import Config

from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.running import data_sets, records, scoring, training
from sw_mmseg.running.checkpoints import numbered_checkpoints
from sw_mmseg.studies.adaptation.cells import SOURCE, Cell, Result, configured
from sw_mmseg.studies.adaptation.scores import (
    domain_distances,
    entry,
    peak_memory,
    score_checkpoints,
    score_policies,
    trained_policies,
)

__all__ = ['draw', 'known_result', 'mark_of', 'measure', 'result_file', 'training_mark']

UNSEEN, TEST_IMAGES = 1, 100  # seed and number of the source images to test on


def draw(targets: Iterable[str], data: Path, work_dir: Path) -> None:
    """Streets that targets need: the two domains, and source images that no training sees."""
    for variant in {SOURCE, *targets}:
        generate_streets(data, variant)
    generate_streets(work_dir / 'unseen_source', SOURCE, source=TEST_IMAGES, target_train=0, target_val=0, seed=UNSEEN)


def result_file(cell: Cell, work_dir: Path) -> Path:
    """Where a cell's result is kept."""
    return work_dir / 'results' / f'{cell.name}.json'


def mark_of(cell: Cell, config: Config, data: Path) -> str:
    """Fingerprint of what a result depends on."""
    manifest = data / cell.target / 'manifest.json'
    text = manifest.read_text() if manifest.is_file() else ''
    return records.fingerprint(config, cell.variation, text, code=((__name__, 'measure'),))


def training_mark(config: Config) -> str:
    """Fingerprint of what its training depends on: not where it is tested."""
    trained = Config({key: value for key, value in config.to_dict().items() if not key.startswith(('val_', 'test_'))})
    return records.fingerprint(trained, code=((training.__name__, 'train'),))


def known_result(cell: Cell, work_dir: Path, data: Path) -> Result | None:
    """A result that is there and still true."""
    config, _ = configured(cell, work_dir, data)
    content = records.read_result(result_file(cell, work_dir), mark_of(cell, config, data))
    return None if content is None else Result(**content)


def measure(cell: Cell, work_dir: Path, data: Path, threads: int) -> Result:
    """Train a cell, or go on where it was stopped, and score it.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    torch.set_num_threads(threads)
    config, run = configured(cell, work_dir, data)
    mark = mark_of(cell, config, data)
    before = peak_memory()
    model, seconds = training.train(run, config, training_mark(config), f'    {cell.name}')
    memory = peak_memory() - before
    source = work_dir / 'unseen_source' / SOURCE / 'gta5' if cell.data == 'streets' else None
    loaders = data_sets.test_loaders(config, source)
    with training.quiet(run.folder / 'console.log'):
        history, kept = score_checkpoints(model, config, loaders), trained_policies(model)[-1]
        if len(trained_policies(model)) > 1:
            model.evaluate_with = kept
        distances = domain_distances(model, config, source, cell.name)
        scores, free = score_policies(model, config, loaders)
        history.append(entry(config.train_cfg.max_iters, scores[kept], free))
    result = Result(
        cell.method,
        cell.norm,
        cell.seed,
        cell.target,
        cell.variation,
        config.train_cfg.max_iters,
        scores,
        kept,
        history,
        list(loaders['target'].dataset.metainfo['classes']),
        seconds,
        memory,
        run.command(),
        scoring.switch_ratios(model),
        distances,
        records.device_name(),
        cell.network,
    )
    records.write_result(result_file(cell, work_dir), mark, result)
    for file in list(numbered_checkpoints(Path(config.work_dir)))[:-1]:
        file.unlink()
    del model
    gc.collect()
    return result
