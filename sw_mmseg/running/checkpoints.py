"""Checkpoints that load whole or not at all, from whatever number of processes wrote them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch import nn

from sw_mmseg.adaptation import without_wrappers
from sw_mmseg.models.wrappers import unwrap
from sw_mmseg.openmmlab import load_local_checkpoint
from sw_mmseg.running.configs import build
from sw_mmseg.running.devices import refuse_unusable
from sw_mmseg.running.errors import UserError

__all__ = [
    'WholeCheckpointHook',
    'earlier_checkpoints',
    'fitting',
    'last_named',
    'load_network',
    'load_weights',
    'numbered_checkpoints',
    'read_checkpoint',
    'read_weights',
    'weights_in',
]

State = dict[str, torch.Tensor]
NUMBERED = re.compile(r'(?:iter|epoch)_(\d+)\.pth')


def read_weights(path: str) -> State:
    """The weights of a checkpoint; errors of `read_checkpoint` and `weights_in`."""
    return weights_in(read_checkpoint(path), path)


def weights_in(checkpoint: dict, path: str) -> State:
    """The `state_dict` of a checkpoint, or all of a file that is nothing else.

    Raises:
        UserError: it holds other things than weights; those of other tools lie under names of their own, as 'model'.
    """
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, dict):
        raise UserError(f'{path} holds a {type(state).__name__} as its state_dict, and no weights')
    foreign = [str(key) for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if foreign:
        raise UserError(
            f'{path} is no checkpoint of this package: what it holds as {", ".join(foreign[:3])}'
            f'{" ..." if len(foreign) > 3 else ""} are no weights. Save the weights alone, as "state_dict"'
        )
    return state


def read_checkpoint(path: str) -> dict:
    """A checkpoint that this package's training wrote, on the CPU.

    Raises:
        UserError, CheckpointError: no such file, or not a checkpoint, or a damaged one.
    """
    if not Path(path).is_file():
        folder = Path(path).parent
        names = sorted(p.name for p in folder.glob('*.pth')) if folder.is_dir() else []
        raise UserError(
            f'no checkpoint {path}'
            + (f'; {folder} has {", ".join(names[-5:])}' if names else ': train first, or give the path of a .pth file')
        )
    checkpoint = load_local_checkpoint(path, 'cpu')
    if not isinstance(checkpoint, dict):
        raise UserError(f'{path} holds a {type(checkpoint).__name__}, not the dict of a checkpoint')
    return checkpoint


def numbered_checkpoints(folder: Path) -> dict[Path, int]:
    """Those that training left in `folder` -> iteration or epoch, the earliest first."""
    numbers = {file: int(match[1]) for file in folder.glob('*.pth') if (match := NUMBERED.fullmatch(file.name))}
    return dict(sorted(numbers.items(), key=lambda item: (item[1], item[0].stat().st_mtime)))


def last_named(folder: Path) -> Path | None:
    """The checkpoint in `folder` that `last_checkpoint` names, by its name alone, since the folder may have moved."""
    pointer = folder / 'last_checkpoint'
    name = Path(pointer.read_text(errors='replace').strip()).name if pointer.is_file() else ''
    return folder / name if name and (folder / name).is_file() else None


def earlier_checkpoints(model: nn.Module, folder: Path) -> Iterator[int]:
    """The iteration of each kept checkpoint before the last, while the model has its weights; its own come back after
    that."""
    last = {key: value.clone() for key, value in model.state_dict().items()}
    for file, number in list(numbered_checkpoints(folder).items())[:-1]:
        model.load_state_dict(read_weights(str(file)))
        yield number
    model.load_state_dict(last)


def load_weights(model: nn.Module, path: str) -> None:
    """Load a checkpoint whole: a network half at its initial values would be tested without a word otherwise.

    Discriminators are left out: predictions do not need them.

    Raises:
        UserError: weights are missing, left over, or of another shape.
    """
    state = fitting(model, read_weights(path), path, optional='discriminator.')
    model.load_state_dict(state, strict=False)


def load_network(models: Registry, config: Config, args: argparse.Namespace) -> nn.Module:
    """The network of a config with the weights of `args.checkpoint`, on `args.device`, as one process tests it.

    Raises:
        UserError: the device cannot be used, the config does not build, or the checkpoint does not fit.
    """
    refuse_unusable(args.device)
    model = build('model', lambda: models.build(config.model))
    load_weights(model, args.checkpoint)
    return revert_sync_batchnorm(model).to(args.device).eval()


def fitting(model: nn.Module, state: State, path: str, optional: str = '-') -> State:
    """`state` by the model's own names, whatever wrappers it was saved from; keys that begin with `optional` may lack.

    Raises:
        UserError: weights are missing, left over, or of another shape.
    """
    names = {without_wrappers(key): key for key in model.state_dict()}
    weights = {name: value for name, value in zip(names, model.state_dict().values()) if not name.startswith(optional)}
    saved = {without_wrappers(key): value for key, value in state.items()}
    faults = {
        'lacks': [k for k in weights if k not in saved],
        'holds in another shape': [k for k in weights if k in saved and weights[k].shape != saved[k].shape],
        'holds, but the model has not': [k for k in saved if k not in names and not k.startswith(optional)],
    }
    infinite = [key for key, value in saved.items() if value.is_floating_point() and not value.isfinite().all()]
    if infinite:
        raise UserError(
            f'{path} holds values that are not finite in {len(infinite)} of {len(saved)} entries, '
            f'{", ".join(infinite[:3])}{" ..." if len(infinite) > 3 else ""}: its training had failed; '
            'take an earlier checkpoint'
        )
    for fault, keys in faults.items():
        if keys:
            hint = ' (trained by adaptation: use its config)' if any(k.startswith('segmentor.') for k in keys) else ''
            raise UserError(
                f'{path} does not fit the config: it {fault} {len(keys)} of {len(weights)} entries, '
                f'{", ".join(keys[:3])}{" ..." if len(keys) > 3 else ""}{hint}'
            )
    return {names[key]: value for key, value in saved.items() if key in names}


class WholeCheckpointHook(Hook):
    """A resumed run takes the checkpoint whole, also from another number of processes, or stops; mmengine skips names
    that it does not find."""

    def __init__(self, path: str) -> None:
        self.path = path

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Before the weights are put into the model."""
        model = unwrap(runner.model)
        checkpoint['state_dict'] = fitting(model, weights_in(checkpoint, self.path), self.path)
