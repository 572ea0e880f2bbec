"""One cell of the study on photographs: trained on one core, scored on the validation and the test part."""

from __future__ import annotations

import gc
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import torch
from mmengine.config import Config
from torch import nn
from torch.utils.data import DataLoader

from sw_mmseg.adaptation import running_layers
from sw_mmseg.running import data_sets, records, scoring, training
from sw_mmseg.running.checkpoints import earlier_checkpoints
from sw_mmseg.studies.photographs.cells import PARTS, Cell, Result, configured

__all__ = ['known_result', 'measure', 'result_file', 'stored', 'unlabelled', 'unlabelled_photographs']

CODE = ((__name__, 'measure'),)  # what results depend on, beside the config
BATCH, STATISTICS_OF = 8, 96  # of photographs on which running statistics are estimated


def result_file(cell: Cell, work_dir: Path) -> Path:
    """Where a cell's result is kept."""
    return work_dir / 'results' / f'{cell.name}.json'


def known_result(cell: Cell, work_dir: Path) -> Result | None:
    """A result that is there and still true."""
    config, _ = configured(cell, work_dir)
    content = records.read_result(result_file(cell, work_dir), records.fingerprint(config, code=CODE))
    return None if content is None else Result(**content)


def stored(work_dir: Path) -> list[Result]:
    """Every result of a work directory, those of earlier calls included."""
    return [Result(**records.without_fingerprint(content)) for content in records.every_result(work_dir).values()]


def measure(cell: Cell, work_dir: Path) -> Result:
    """Trains a cell, or goes on where it was stopped, and scores it.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    config, run = configured(cell, work_dir)
    mark = records.fingerprint(config, code=CODE)
    with processor_time(run.folder / 'processor.json') as processor:
        model, seconds = training.train(run, config, mark, f'    {cell.name}')
    with training.quiet(run.folder / 'console.log'):
        history = checkpoint_scores(model, config)
        scores = part_scores(model, config)
    result = Result(
        cell.method,
        cell.norm,
        cell.seed,
        cell.data,
        cell.setting,
        config.train_cfg.max_iters,
        {part: {kind: scores[kind][part] for kind in scores} for part in PARTS},
        history,
        list(data_sets.build_loader(config.test_dataloader.dataset, 1).dataset.metainfo['classes']),
        seconds,
        processor['seconds'],
        run.command(),
        run.options,
        scoring.switch_ratios(model),
        records.device_name(),
    )
    records.write_result(result_file(cell, work_dir), mark, result)
    gc.collect()
    return result


@contextmanager
def processor_time(file: Path) -> Iterator[dict[str, float]]:
    """Adds the processor time inside to that of earlier calls; `seconds` of what it gives is set on leaving."""
    begin, total = time.process_time(), {'seconds': 0.0}
    try:
        yield total
    finally:
        before = json.loads(file.read_text())['seconds'] if file.is_file() else 0.0
        total['seconds'] = before + time.process_time() - begin
        if (file.parent / training.STATE).is_file():  # the folder is the run's own
            records.write_json(file, total)


def checkpoint_scores(model: nn.Module, config: Config) -> list[dict[str, float]]:
    """Iteration and validation mIoU of every kept checkpoint before the last; the network stays as it is."""
    loader = data_sets.build_loader(config.val_dataloader.dataset, BATCH)
    steps = earlier_checkpoints(model, Path(config.work_dir))
    return [{'iteration': iteration, 'val': scoring.miou(scoring.test(model, loader)[0])} for iteration in steps]


def part_scores(model: nn.Module, config: Config) -> dict[str, dict[str, list[float]]]:
    """Statistics -> part -> IoU of every class; what is estimated last stays in the network."""
    loaders = {part: data_sets.build_loader(config[f'{part}_dataloader'].dataset, BATCH) for part in PARTS}
    scores = {'trained': {part: scoring.test(model, loader)[0] for part, loader in loaders.items()}}
    if running_layers(model):
        scoring.estimate(model, itertools.islice(unlabelled(config), STATISTICS_OF // BATCH), STATISTICS_OF // BATCH)
        scores['re-estimated'] = {part: scoring.test(model, loader)[0] for part, loader in loaders.items()}
    return scores


def unlabelled(config: Config) -> DataLoader:
    """The target's training photographs without labels, prepared as those that are scored."""
    return data_sets.build_loader(unlabelled_photographs(config), BATCH, seed=0)


def unlabelled_photographs(config: Config) -> dict:
    """Their data set: whole and as they are."""
    test = config.test_dataloader.dataset
    steps = [step for step in test.pipeline if not data_sets.reads_labels(step)]
    sequences = {'sequences': test.sequences} if test.get('sequences') else {}
    return {'type': 'UnlabelledCamVid', 'data_root': test.data_root, 'split': 'train', 'pipeline': steps, **sequences}
