"""Random numbers of a training step that a resumed run draws again: they follow from the step, not from the past."""

from __future__ import annotations

import random

import torch
from mmengine.dist import get_rank
from torch import Tensor

__all__ = ['image_generators', 'run_seed']


def run_seed() -> Tensor:
    """The run's seed, for a buffer of a model that is being built; a resumed run gets it from its checkpoint,
    and a new one that starts from a checkpoint has its own (`DomainAdaptation.restart`).

    mmengine's runner seeds torch before it builds the model (`randomness.seed` of a config, else a random one that all
    processes share) and passes the number to nothing that it builds. torch still knows it: this is the one place that
    asks. No random number is drawn.
    """
    return torch.tensor(torch.initial_seed() % 2**31)


def image_generators(use: str, seed: int, iteration: int, count: int) -> list[torch.Generator]:
    """A generator on the CPU for each of this process's `count` images of one iteration.

    It follows from the image's number in the joined batch of all processes, so that several processes draw what one
    would; and from `use`, so that what one purpose draws does not depend on the others.
    """
    first = get_rank() * count
    seeds = (random.Random(repr((use, seed, iteration, first + index))).getrandbits(63) for index in range(count))
    return [torch.Generator().manual_seed(number) for number in seeds]
