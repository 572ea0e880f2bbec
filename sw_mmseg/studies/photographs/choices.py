"""The study of choices on photographs: what docs/choose.md advises, measured, a part for each piece of advice."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cv2
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from sw_mmseg.datasets.camvid_labels import CAMVID_CLASSES
from sw_mmseg.running import records
from sw_mmseg.studies.photographs import blend, few_labels, runs, source_free, switches
from sw_mmseg.studies.photographs.trials import Extent, Trial, TrialResult, result_file

__all__ = ['PARTS', 'Part', 'known', 'measure', 'plan']


class Part(NamedTuple):
    """A part: its title, the way that others are compared with, and the module that has its trials and measures one.

    `same_networks`: whether its ways are of one network, so that differences are taken network by network.
    """

    title: str
    first: str
    module: ModuleType
    same_networks: bool = True


PARTS = {
    'few-labels': Part('A few labels of the target', '0 labels', few_labels, same_networks=False),
    'blend': Part('Statistics blended at prediction', 'blend 0', blend),
    'source-free': Part('Without the source', 'as given', source_free),
    'switches': Part('Switches set after training', 'as trained', switches),
}


def plan(parts: Sequence[str], extent: Extent) -> list[Trial]:
    """All trials, seed by seed over all parts, so that a study that is stopped has every row."""
    every = [trial for part in parts for trial in PARTS[part].module.trials(extent)]
    return sorted(every, key=lambda trial: extent.seeds.index(trial.cell.seed))  # keeps the order otherwise


def known(trial: Trial, work_dir: Path) -> bool:
    """Whether there is a result that is still true."""
    return records.read_result(result_file(trial, work_dir), mark_of(trial, work_dir)) is not None


def mark_of(trial: Trial, work_dir: Path) -> str:
    """Changes with all that a trial's result depends on."""
    module = PARTS[trial.part].module
    configured: Callable[[Trial, Path], tuple[Config, object]] | None = getattr(module, 'configured_trial', None)
    config = configured(trial, work_dir)[0] if configured else runs.configured(trial.cell, work_dir)[0]
    return records.fingerprint(config, trial.part, trial.way, code=((module.__name__, 'measure'), *runs.CODE))


def measure(trial: Trial, work_dir: Path) -> TrialResult:
    """A trial's result, which is kept.

    Raises:
        Interrupted: a signal stopped a training, which goes on at the next call.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    init_default_scope('mmseg')
    mark, cell = mark_of(trial, work_dir), trial.cell
    scores, seconds, ratios = PARTS[trial.part].module.measure(trial, work_dir)
    iterations = runs.configured(cell, work_dir)[0].train_cfg.max_iters
    result = TrialResult(
        trial.part,
        trial.way,
        trial.amount,
        cell.method,
        cell.norm,
        cell.seed,
        cell.data,
        iterations,
        scores,
        list(CAMVID_CLASSES),
        seconds,
        f'python tools/analysis/photographs_choices.py {trial.part} --seeds {cell.seed} --iterations {iterations}',
        ratios,
        records.device_name(),
    )
    records.write_result(result_file(trial, work_dir), mark, result)
    gc.collect()
    return result
