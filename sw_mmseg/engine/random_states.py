"""Random states of a training, in its checkpoints: what is drawn at random is drawn again after a resume.

Dropout and the sampling of detectors draw from the states of torch, numpy and Python, which differ between processes.
A checkpoint holds those of every process as plain data: integers, words and tensors. They travel in mmengine's message
hub, which it saves with every checkpoint and brings back with every resume.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.runner import Runner

__all__ = [
    'other_number_of_processes',
    'random_states',
    'recall_random_states',
    'remember_random_states',
    'set_random_states',
]

KEY = 'random_states'


def random_states() -> dict[str, Any]:
    """The states of this process: torch on the CPU and on each GPU in use, numpy, Python."""
    numpy, python = np.random.get_state(), random.getstate()
    return {
        'torch': torch.get_rng_state(),
        'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        'numpy': [str(numpy[0]), torch.from_numpy(numpy[1].astype(np.int64)), *map(float, numpy[2:])],
        'python': [python[0], torch.tensor(python[1]), python[2]],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Puts back what `random_states` gave. GPUs beyond those of this process are left out."""
    torch.set_rng_state(states['torch'].cpu())
    if states['cuda'] and torch.cuda.is_available():
        for device, state in zip(range(torch.cuda.device_count()), states['cuda']):
            torch.cuda.set_rng_state(state.cpu(), device)
    name, keys, position, has_gauss, gauss = states['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), int(position), int(has_gauss), gauss))
    version, words, normal = states['python']
    random.setstate((version, tuple(words.tolist()), normal))


def remember_random_states(runner: Runner, states: dict[str, Any] | None = None) -> None:
    """The next checkpoint of `runner` holds the states of all processes; every process has to call this.

    Args:
        states: of this process, where others than the present ones are meant.
    """
    runner.message_hub.update_info(KEY, all_gather_object(states or random_states()))


def recall_random_states(runner: Runner) -> dict[str, Any] | None:
    """The states of this process in the checkpoint that `runner` goes on from; None in a fresh run, where there are
    none, and where another number of processes wrote them."""
    if runner.iter == 0:
        return None
    states = runner.message_hub.runtime_info.get(KEY)
    return states[get_rank()] if states and len(states) == get_world_size() else None


def other_number_of_processes(runner: Runner) -> str | None:
    """What differs where another number of processes wrote the checkpoint that `runner` goes on from; None where the
    number is the same, and in a fresh run."""
    states = runner.message_hub.runtime_info.get(KEY) if runner.iter else None
    now, before = get_world_size(), len(states or [])
    if not before or before == now:
        return None
    batch = getattr(runner.train_dataloader, 'batch_size', None)
    images = f'A step takes {now} x {batch} images, at the learning rate of the config. ' if batch else ''
    return (
        f'Goes on with {now} process{"es" if now > 1 else ""} from a checkpoint that {before} wrote. Weights, '
        f'optimisers, schedules and counters are those of the checkpoint. {images}The order of the data is that of a '
        f'run of {now} at this iteration. What is drawn at random is drawn anew: the run is not to the bit the one '
        'that was left.'
    )
