"""Running statistics blended with those of each photograph, as `--blend` of `predict` and `test` does: no training."""

from __future__ import annotations

import time
from pathlib import Path

from sw_mmseg.running import scoring
from sw_mmseg.running.blending import blended
from sw_mmseg.studies.photographs.cells import DATA, Cell
from sw_mmseg.studies.photographs.trained import as_measured, network, photograph_scores
from sw_mmseg.studies.photographs.trials import Extent, Measured, Trial

__all__ = ['measure', 'networks', 'trials']

PART, AVERAGE, ESTIMATED = 'blend', 'blend auto', 're-estimated'
ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.5)


def networks(seed: int, extent: Extent) -> list[Cell]:
    """With either norm, of the source alone, on which nothing but prediction has to bear the shift; and the network of
    `jitter`, whose light was disturbed."""
    disturbed = [Cell('jitter', 'bn', seed, DATA[0], iterations=extent.iterations)]
    plain = [
        Cell('sourceonly', norm, seed, data, iterations=extent.iterations) for data in DATA for norm in ('bn', 'sw')
    ]
    return [cell for cell in disturbed + plain if cell.data in extent.data]


def trials(extent: Extent) -> list[Trial]:
    """Every way for every network, seed by seed."""
    ways = [(f'blend {alpha:g}', alpha) for alpha in ALPHAS] + [(AVERAGE, None), (ESTIMATED, None)]
    return [
        Trial(PART, way, cell, alpha) for seed in extent.seeds for cell in networks(seed, extent) for way, alpha in ways
    ]


def measure(trial: Trial, work_dir: Path) -> Measured:
    """Predicts with blended statistics; what needs no blending is as the main study says."""
    if trial.way == ESTIMATED or trial.amount == 0:
        return as_measured(trial.cell, work_dir, ESTIMATED if trial.way == ESTIMATED else 'trained')
    model, config = network(trial.cell, work_dir)
    begin = time.process_time()
    with blended(model, 'auto' if trial.way == AVERAGE else trial.amount):
        scores = photograph_scores(model, config)
    return Measured(scores, time.process_time() - begin, scoring.switch_ratios(model))
