"""A trained network and unlabelled photographs, no source: what `adapt --from` does, measured.

Self-training begins at the network as it was given, with the settings of `adapt --from`, and takes as many iterations
as the network's own training took.
"""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict

from sw_mmseg.datasets.known_tables import find_class_table
from sw_mmseg.files import whole_file
from sw_mmseg.own_images.given_network import GivenNetwork, segmentor_of
from sw_mmseg.own_images.source_free_config import source_free_training
from sw_mmseg.running import records, scoring, training
from sw_mmseg.studies.photographs import runs
from sw_mmseg.studies.photographs.cells import DATA, Cell
from sw_mmseg.studies.photographs.trained import as_measured, network, photograph_scores
from sw_mmseg.studies.photographs.trials import Extent, Measured, Trial

__all__ = ['measure', 'trials']

PART = 'source-free'
GIVEN, STATISTICS, TRAINED = 'as given', 're-estimated', 'self-training'


def trials(extent: Extent) -> list[Trial]:
    """From drawn streets with either norm, and from day with BatchNorm, seed by seed. Switches that the target chooses
    are in the part 'switches'."""
    cells = [
        Cell(method, norm, seed, data, iterations=extent.iterations)
        for seed in extent.seeds
        for method, norm, data in (
            ('jitter', 'bn', DATA[0]),
            ('sourceonly', 'sw', DATA[0]),
            ('sourceonly', 'bn', DATA[1]),
        )
        if data in extent.data
    ]
    return [Trial(PART, way, cell) for cell in cells for way in (GIVEN, STATISTICS, TRAINED)]


def measure(trial: Trial, work_dir: Path) -> Measured:
    """Trains without the source, or goes on where that was stopped; what needs no training is as the main study says.

    Raises:
        Interrupted: a signal stopped the training, which goes on at the next call.
    """
    if trial.way != TRAINED:
        return as_measured(trial.cell, work_dir, 'trained' if trial.way == GIVEN else 're-estimated')
    model, source = network(trial.cell, work_dir)
    start = work_dir / 'runs' / f'{trial.cell.name}_start.pth'
    with whole_file(start) as part:
        torch.save({'state_dict': model.state_dict()}, part)
    config, run = configured_run(trial, work_dir, source, start)
    mark = records.fingerprint(config, code=((__name__, 'measure'),))
    with runs.processor_time(run.folder / 'processor.json') as processor:
        model, _ = training.train(run, config, mark, f'    {trial.name}')
    with training.quiet(run.folder / 'console.log'):
        scores = photograph_scores(model, source)
    return Measured(scores, processor['seconds'], scoring.switch_ratios(model))


def configured_run(trial: Trial, work_dir: Path, source: Config, start: Path) -> tuple[Config, training.Run]:
    """The config of the training, made of that of the network's own, and its run; `start` has the network's weights."""
    folder, table = work_dir / 'runs' / trial.name, find_class_table('camvid')
    given = GivenNetwork(source, segmentor_of(source, trial.cell.name), {}, table, None)
    config = source_free_training(given, source.train_cfg.max_iters, trial.cell.seed, start)
    config.train_dataloader = ConfigDict(
        batch_size=source.train_dataloader.batch_size,
        num_workers=0,
        persistent_workers=False,
        sampler=dict(type='PositionSampler'),
        dataset=dict(type='TargetAlone', target=runs.unlabelled_photographs(source), classes=table.to_dict()),
    )
    config.work_dir = str(folder)
    return config, training.Run(trial.cell.norm, trial.part, trial.cell.seed, '', {}, folder)
