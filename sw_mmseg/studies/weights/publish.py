"""Train what is not trained yet, pack it, measure what was packed, and write it down in the manifest and the cards.

What is published already can be packed again without its trainings, where only the packing has changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from sw_mmseg.analysis import Table, to_markdown
from sw_mmseg.files import whole_file
from sw_mmseg.running import records, training
from sw_mmseg.running.checkpoints import read_weights
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.data_sets import test_loaders
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.ready_weights import (
    CLASSIFICATION,
    PHOTOGRAPHS,
    SEGMENTATION,
    STREETS,
    ReadyModel,
    checkpoint_of,
    load_ready,
    ready_models,
)
from sw_mmseg.running.schedules import data_options
from sw_mmseg.running.scoring import miou, test
from sw_mmseg.running.training import quiet
from sw_mmseg.studies.weights.packing import BITS, halved, network_of, packed
from sw_mmseg.studies.weights.recipes import FEWER_BITS, NAMES, Recipe

__all__ = ['LIMIT', 'cards', 'check_size', 'measure', 'publish', 'repack', 'train', 'write_manifest']

LIMIT = 14_500_000  # bytes of all packed weights together
SCORES = {STREETS: 'target mIoU', PHOTOGRAPHS: 'CamVid test mIoU'}


def train(recipe: Recipe) -> None:
    """Those of its trainings that have not left their last checkpoint yet; one that was stopped goes on.

    Raises:
        Interrupted: a signal stopped it.
    """
    for run, iterations in zip(recipe.runs, recipe.iterations):
        if (run.folder / f'iter_{iterations}.pth').is_file():
            continue
        config = load_config(run.config, {}, str(run.folder), norm=run.norm)
        config.merge_from_dict(run.options)
        config.randomness = {'seed': run.seed}
        training.train(run, config, records.fingerprint(config), f'    {recipe.name}: {run.label}')


def publish(recipe: Recipe, folder: Path, command: str) -> ReadyModel:
    """Pack the network of a finished training into `folder`; its scores are still missing.

    `command` is what makes the same again.
    """
    model = ReadyModel(
        recipe.name,
        recipe.task,
        recipe.summary,
        recipe.config,
        recipe.norm,
        '',
        0,
        recipe.runs[0].seed,
        command,
        images=recipe.images,
        short_side=recipe.short_side,
        folder=folder,
    )
    return _written(model, recipe.checkpoint)


def repack(model: ReadyModel, folder: Path) -> ReadyModel:
    """Pack a published network anew into `folder`; its scores are still missing.

    Raises:
        UserError: the published file is missing or damaged.
    """
    return _written(replace(model, scores={}, folder=folder), checkpoint_of(model))


def _written(model: ReadyModel, checkpoint: Path) -> ReadyModel:
    """The model whose packed file, written here, holds the network of a checkpoint."""
    network = network_of(read_weights(str(checkpoint)))
    small, digest, length = packed(halved(network, FEWER_BITS.get(model.name, BITS)))
    with whole_file(model.file) as part:
        part.write_bytes(small)
    return replace(model, sha256=digest, bytes=length)


def measure(model: ReadyModel, data: Path, work_dir: Path) -> dict[str, float]:
    """Scores of the published weights, in percent, on images that no training saw; none of a style, and none where
    those images are not there.

    Args:
        data: the drawn streets.
        work_dir: where what libraries print is kept.
    """
    with quiet(work_dir / 'console.log'):
        if model.task == SEGMENTATION:
            network, config = load_ready(model.name, folder=model.folder)
            config.merge_from_dict(data_options(config.test_dataloader, str(data), 'test_dataloader'))
            if not Path(config.test_dataloader.dataset.data_root).is_dir():
                return {}
            return {SCORES[model.images]: miou(test(network, test_loaders(config, None)['target'])[0])}
        if model.task == CLASSIFICATION:
            config = load_config(model.config, {}, str(work_dir))
            config.load_from = str(checkpoint_of(model))
            return {'test accuracy': float(_runner(config).test()['accuracy/top1'])}
    return {}


def write_manifest(models: Sequence[ReadyModel], folder: Path) -> None:
    """Replaces the entries of these models; others stay."""
    entries = {**(ready_models(folder) if (folder / 'manifest.json').is_file() else {}), **{m.name: m for m in models}}
    ordered = [asdict(entries[name]) for name in NAMES if name in entries]
    for entry in ordered:
        del entry['folder']
    with whole_file(folder / 'manifest.json') as part:
        part.write_text(json.dumps({'models': ordered}, indent=1) + '\n')


def check_size(folder: Path) -> None:
    """All packed weights of a folder together.

    Raises:
        UserError: they are larger than a package should bring.
    """
    total = sum(model.file.stat().st_size for model in ready_models(folder).values())
    if total > LIMIT:
        raise UserError(f'the weights in {folder} take {total:,} bytes together, more than {LIMIT:,}')


def cards(models: Sequence[ReadyModel]) -> str:
    """The measured part of docs/model_cards.md."""
    rows = tuple(
        (
            f'`{model.name}`',
            model.summary,
            f'{model.file.stat().st_size / 1e6:.1f}',
            ', '.join(f'{name} {value:.1f}' for name, value in model.scores.items()) or 'none',
            model.seed,
        )
        for model in models
    )
    table = Table(('name', 'what it is', 'MB', 'measured, in percent', 'seed'), rows)
    commands = [f'`{model.name}`:\n\n```bash\n{model.command}\n```\n' for model in models]
    return '\n'.join([to_markdown(table), 'Made, and measured, by', '', *commands])


def _runner(config: Config) -> Runner:
    config.launcher = 'none'
    return Runner.from_cfg(config)
