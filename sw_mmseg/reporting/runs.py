"""Finished runs as the tools of understanding see them: a work directory, or a checkpoint, with its config and logs.

The config is the one that training dumped into the work directory, or that the checkpoint carries: what really ran,
whatever has become of configs/ since.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope

from sw_mmseg.analysis import read_scalars
from sw_mmseg.analysis.importance import Layers, by_layer
from sw_mmseg.engine import importance_ratios
from sw_mmseg.running.checkpoints import last_named, load_weights, numbered_checkpoints, read_checkpoint, read_weights
from sw_mmseg.running.configs import build, without_weights
from sw_mmseg.running.errors import UserError

__all__ = [
    'Run',
    'build_network',
    'carried_config',
    'latest_checkpoint',
    'network',
    'open_run',
    'open_runs',
    'ratio_curves',
    'ratios',
    'read_config',
    'whose_ratios',
]

SEED = re.compile(r'[_-]seed[_-]?\d+$')


@dataclass(frozen=True)
class Run:
    """`folder` has the logs; `checkpoint` is None where training has not written one yet, and `chosen` where it is the
    user's choice rather than the folder's last."""

    label: str
    folder: Path
    checkpoint: Path | None
    config: Config
    chosen: bool = False

    @cached_property
    def scalars(self) -> dict:
        """Every logged curve; none where nothing was logged."""
        try:
            return read_scalars(self.folder)
        except FileNotFoundError:
            return {}

    @property
    def task(self) -> str:
        """The label without its seed: runs of one task are averaged."""
        return SEED.sub('', self.label)


def open_run(path: str | Path, label: str | None = None) -> Run:
    """A run by its work directory or one of its checkpoints.

    Raises:
        UserError: nothing there, or no config with it.
    """
    path = Path(path)
    if path.is_file() and path.suffix == '.pth':
        return Run(label or f'{path.parent.name}/{path.stem}', path.parent, path, carried_config(path), True)
    if not path.is_dir():
        raise UserError(
            f'no run {path}: give a work directory, such as work_dirs/sw_adaptsegnet_streets, or a checkpoint in one'
        )
    checkpoint = latest_checkpoint(path)
    dumped = sorted(path.glob('*.py'), key=lambda file: file.stat().st_mtime)
    dumped = _kept_by_adapt(path, 'config.py') or dumped or sorted(path.glob('*/vis_data/config.py'))
    if dumped:
        config = read_config(dumped[-1])
    elif checkpoint:
        config = carried_config(checkpoint)
    else:
        raise UserError(f'{path} has neither a config nor a checkpoint: is it the work directory of a run?')
    return Run(label or path.resolve().name, path, checkpoint, config)


def open_runs(paths: list[str], labels: list[str] | None) -> list[Run]:
    """Several, with labels of their own; folders of one name are called by their paths.

    Raises:
        UserError: labels that are not one a run and different, or a run that is not there.
    """
    if labels and (len(labels) != len(paths) or len(set(labels)) < len(labels)):
        raise UserError(f'--labels gives {len(set(labels))} names for {len(paths)} runs: give one to each')
    runs = [open_run(path, label) for path, label in zip(paths, labels or [None] * len(paths))]
    names = [run.label for run in runs]
    return [run if names.count(run.label) == 1 else replace(run, label=str(path)) for run, path in zip(runs, paths)]


def read_config(file: Path) -> Config:
    """A dumped config; raises UserError where it cannot be read."""
    try:
        return Config.fromfile(file)
    except Exception as error:  # whatever executing a config raises
        raise UserError(f'{file} cannot be read as a config: {type(error).__name__}: {error}') from error


def carried_config(checkpoint: Path) -> Config:
    """The config that a checkpoint carries; raises UserError where it has none."""
    text = read_checkpoint(str(checkpoint)).get('meta', {}).get('cfg')
    if not text:
        raise UserError(f'{checkpoint} carries no config: give the work directory of its run instead')
    return Config.fromstring(text, '.py')


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint that training wrote last, wherever the folder has moved since."""
    named = last_named(folder)
    if named is not None:
        return named
    by_time = sorted(folder.glob('*.pth'), key=lambda file: file.stat().st_mtime)
    files = _kept_by_adapt(folder, 'checkpoint.pth') or list(numbered_checkpoints(folder)) or by_time
    return files[-1] if files else None


def _kept_by_adapt(folder: Path, name: str) -> list[Path]:
    """The file of that name where tools/adapt.py left it: beside it are those of networks that were not adapted, and of
    a copy of the folder no time tells which is which."""
    return [folder / name] if (folder / 'adapt.json').is_file() and (folder / name).is_file() else []


def build_network(config: Config) -> torch.nn.Module:
    """The network of a config without pretrained weights, on one process; in the registries of its own package."""
    init_default_scope(config.get('default_scope', 'mmseg'))
    model = without_weights(config.model)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # advice on losses, which nothing here computes
        return revert_sync_batchnorm(build('model', lambda: MODELS.build(model)))


def network(run: Run) -> torch.nn.Module:
    """The trained network of a run, in evaluation.

    Raises:
        UserError: it has no checkpoint, or one that does not fit its config.
    """
    if run.checkpoint is None:
        raise UserError(f'{run.folder} has no checkpoint: train first, or wait for the first one')
    model = build_network(run.config)
    load_weights(model, str(run.checkpoint))
    return model.eval()


def ratio_curves(run: Run) -> Layers:
    """Logged ratios by layer, a curve each."""
    return by_layer(run.scalars)


def ratios(run: Run) -> Layers:
    """The ratios at the end: of the checkpoint that was chosen, else the last that were logged, else of the folder's
    last checkpoint.

    Raises:
        UserError: no layer of the network switches.
    """
    if ratio_curves(run) and not run.chosen:
        return {
            layer: {kind: {word: curve[1][-1] for word, curve in words.items()} for kind, words in kinds.items()}
            for layer, kinds in ratio_curves(run).items()
        }
    if run.checkpoint is None or not any(
        name.endswith('mean_logits') and value.numel() > 1 for name, value in read_weights(str(run.checkpoint)).items()
    ):
        raise UserError(f'{run.label} has no layer that switches between statistics: importance ratios are those of SW')
    return by_layer(importance_ratios(network(run)))


def whose_ratios(run: Run) -> str:
    """Where `ratios` come from."""
    if ratio_curves(run) and not run.chosen:
        step = max(
            curve[0][-1] for kinds in ratio_curves(run).values() for words in kinds.values() for curve in words.values()
        )
        return f'logged at iteration {step}'
    return f'of {run.checkpoint.name}'
