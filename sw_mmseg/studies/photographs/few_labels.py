"""A few labelled photographs beside drawn streets, as `adapt --target-few` draws them.

A quarter of the labelled images that training draws are photographs, whatever their number. Those of a smaller number
are among those of a greater one with the same seed. All other settings are the main study's, class weights too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict

from sw_mmseg.own_images.labelled_data import FEW_SHARE
from sw_mmseg.running import records, scoring, training
from sw_mmseg.studies.photographs import runs
from sw_mmseg.studies.photographs.cells import DATA, PARTS, Cell
from sw_mmseg.studies.photographs.trained import as_measured
from sw_mmseg.studies.photographs.trials import Extent, Measured, Trial

__all__ = ['METHODS', 'configured_trial', 'measure', 'trials']

PART, METHODS = 'few-labels', ('jitter', 'cbst')


def trials(extent: Extent) -> list[Trial]:
    """Of one seed after the other, so that a study that is stopped has every number of labels."""
    return [
        Trial(PART, f'{labels} labels', Cell(method, 'bn', seed, data, iterations=extent.iterations), labels)
        for seed in extent.seeds
        for data in extent.data
        if data == DATA[0]
        for labels in extent.labels
        for method in extent.methods
    ]


def configured_trial(trial: Trial, work_dir: Path) -> tuple[Config, training.Run]:
    """The config of the main study's training with labelled photographs among its source, and its run."""
    config, run = runs.configured(trial.cell, work_dir)
    labels = int(trial.amount or 0)
    if not labels:
        return config, run
    config, dataset = config.copy(), config.train_dataloader.dataset
    key = 'source' if 'source' in dataset else 'dataset'
    photographs = ConfigDict(
        type='CamVidDataset',
        data_root=config.test_dataloader.dataset.data_root,
        split='train',
        indices=chosen(labels, len(runs.unlabelled(config).dataset), trial.cell.seed),
        pipeline=config.disturbed_pipeline,
    )
    config.train_dataloader.dataset[key] = ConfigDict(
        type='LabelledSets', datasets=[dataset[key], photographs], shares=[1 - FEW_SHARE, FEW_SHARE]
    )
    folder = run.folder.with_name(f'{run.folder.name}_{labels}labels')
    config.work_dir = str(folder)
    return config, dataclasses.replace(run, folder=folder)


def chosen(labels: int, photographs: int, seed: int) -> list[int]:
    """Indices of the photographs whose labels are taken."""
    return sorted(np.random.default_rng(seed).permutation(photographs)[:labels].tolist())


def measure(trial: Trial, work_dir: Path) -> Measured:
    """Trains, or goes on where it was stopped, and scores; without labels, what the main study says.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    if not trial.amount:
        return as_measured(trial.cell, work_dir)
    config, run = configured_trial(trial, work_dir)
    mark = records.fingerprint(config, code=((__name__, 'measure'),))
    with runs.processor_time(run.folder / 'processor.json') as processor:
        model, _ = training.train(run, config, mark, f'    {trial.name}')
    with training.quiet(run.folder / 'console.log'):
        by_kind = runs.part_scores(model, config)
    scores = {part: {kind: parts[part] for kind, parts in by_kind.items()} for part in PARTS}
    return Measured(scores, processor['seconds'], scoring.switch_ratios(model))
