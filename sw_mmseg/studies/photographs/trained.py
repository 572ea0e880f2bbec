"""Networks that the main study on photographs has trained, or trains now: what the study of choices begins with."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.running import data_sets, records, scoring, training
from sw_mmseg.running.checkpoints import load_weights
from sw_mmseg.studies.photographs import runs
from sw_mmseg.studies.photographs.cells import PARTS, Cell, Result
from sw_mmseg.studies.photographs.trials import Measured, Scores

__all__ = ['as_measured', 'estimate_on_photographs', 'network', 'photograph_scores']


def known_or_measured(cell: Cell, work_dir: Path) -> Result:
    """The main study's result of a training, which is done first where there is none."""
    return runs.known_result(cell, work_dir) or runs.measure(cell, work_dir)


def as_measured(cell: Cell, work_dir: Path, statistics: str | None = None) -> Measured:
    """What the main study says of a training: with one kind of running statistics, or all."""
    result = known_or_measured(cell, work_dir)
    if statistics is None:
        return Measured(result.scores, result.processor_seconds, result.ratios)
    return Measured({part: {'trained': kinds[statistics]} for part, kinds in result.scores.items()}, 0.0, result.ratios)


def network(cell: Cell, work_dir: Path) -> tuple[nn.Module, Config]:
    """The trained network of a cell, in evaluation mode, and its config."""
    known_or_measured(cell, work_dir)
    config, run = runs.configured(cell, work_dir)
    file = run.folder / f'iter_{config.train_cfg.max_iters}.pth'
    if not file.is_file():  # a record of it is here, and it is not
        training.train(run, config, records.fingerprint(config, code=runs.CODE), f'    {cell.name}')
    model = MODELS.build(config.model)
    load_weights(model, str(file))
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return model.to(device, memory_format=torch.channels_last).eval(), config


def photograph_scores(model: nn.Module, config: Config) -> Scores:
    """IoU of every class on the validation and the test part, as the network predicts now."""
    loaders = {part: data_sets.build_loader(config[f'{part}_dataloader'].dataset, runs.BATCH) for part in PARTS}
    return {part: {'trained': scoring.test(model, loader)[0]} for part, loader in loaders.items()}


def estimate_on_photographs(model: nn.Module, config: Config) -> None:
    """Running statistics of as many unlabelled photographs as the main study takes."""
    batches = runs.STATISTICS_OF // runs.BATCH
    scoring.estimate(model, itertools.islice(runs.unlabelled(config), batches), batches)
