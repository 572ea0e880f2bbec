"""One network, and its switches set anew after training: for another look (day to dusk), for another place (drawn
streets to photographs).

'Learnt again' is what `adapt` does after training: by the network's own loss on source images in disturbed light. 'By
the target' is what `adapt --from` does: by certainty and diversity on unlabelled photographs, statistics re-estimated.
A network with BatchNorm, which has no switches, stands beside it.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from sw_mmseg.adaptation import estimate_switches
from sw_mmseg.own_images.training import SWITCH_STEPS
from sw_mmseg.running import data_sets, scoring
from sw_mmseg.studies.photographs import runs
from sw_mmseg.studies.photographs.cells import DATA, Cell
from sw_mmseg.studies.photographs.trained import as_measured, estimate_on_photographs, network, photograph_scores
from sw_mmseg.studies.photographs.trials import Extent, Measured, Trial

__all__ = ['measure', 'trials']

PART = 'switches'
TRAINED, ESTIMATED = 'as trained', 're-estimated'
AGAIN, AGAIN_ESTIMATED, BY_TARGET = 'learnt again', 'learnt again, re-estimated', 'by the target'


def trials(extent: Extent) -> list[Trial]:
    """Of the source alone, on either shift, seed by seed."""
    ways = {'bn': (TRAINED, ESTIMATED), 'sw': (TRAINED, ESTIMATED, AGAIN, AGAIN_ESTIMATED, BY_TARGET)}
    return [
        Trial(PART, way, Cell('sourceonly', norm, seed, data, iterations=extent.iterations))
        for seed in extent.seeds
        for data in DATA
        if data in extent.data
        for norm in ways
        for way in ways[norm]
    ]


def measure(trial: Trial, work_dir: Path) -> Measured:
    """Sets switches, statistics or both, and scores; what needs nothing is as the main study says."""
    if trial.way in (TRAINED, ESTIMATED):
        return as_measured(trial.cell, work_dir, ESTIMATED if trial.way == ESTIMATED else 'trained')
    model, config = network(trial.cell, work_dir)
    begin = time.process_time()
    if trial.way == BY_TARGET:
        estimate_on_photographs(model, config)
        estimate_switches(model, itertools.islice(runs.unlabelled(config), SWITCH_STEPS))
    else:
        labelled = data_sets.build_loader(
            data_sets.labelled_images(config), config.train_dataloader.batch_size, seed=trial.cell.seed
        )
        scoring.learn_switches(model, labelled, SWITCH_STEPS)
        if trial.way == AGAIN_ESTIMATED:
            estimate_on_photographs(model, config)
    seconds = time.process_time() - begin
    return Measured(photograph_scores(model, config), seconds, scoring.switch_ratios(model))
