"""One endless stream of samples: position 0, 1, 2 ... names a sample and the random numbers of its augmentation.

A position means the same sample whatever process loads it and whatever was loaded before it. So the stream does not
depend on the number of workers, and a run that stops and resumes goes on with the very samples it would have seen.

A data set here is read in two ways. By a `Position`, which `PositionSampler` gives: positions go on for ever, and carry
the run's seed. By an index, as any data set: indices are the first epoch's positions and end with it, and the seed is
the data set's own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from .rare_class import RareClassSampling

__all__ = ['Order', 'Position', 'Positioned', 'Stream', 'choose', 'load', 'seeded']


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Python's, numpy's and torch's random numbers follow from `numbers` inside, and go on as before outside."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seeds = np.random.SeedSequence(numbers).generate_state(4)
    random.seed(int(seeds[0]))
    np.random.seed(seeds[1])
    torch.default_generator.manual_seed(int(seeds[2]))  # not `torch.manual_seed`, which would reach for the GPU
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


class Order:
    """Visits `length` samples in a new order every epoch; the order depends on the seed, the stream and the epoch."""

    def __init__(self, length: int, stream: int) -> None:
        self.length, self.stream = length, stream
        self._known: tuple[tuple[int, int], np.ndarray] | None = None

    def __call__(self, position: int, seed: int) -> int:
        """Index of the sample at a position."""
        epoch, place = divmod(position, self.length)
        if self._known is None or self._known[0] != (seed, epoch):
            rng = np.random.default_rng((seed, self.stream, epoch))
            self._known = ((seed, epoch), rng.permutation(self.length))
        return int(self._known[1][place])


class Position(NamedTuple):
    """A place in the endless stream, from 0, and the seed of a run that reads it."""

    number: int
    seed: int


class Stream(Dataset):
    """Base of the data sets that are read by position.

    Args:
        seed: of the order and the augmentation. Where it is None, a `Position` brings the run's.
    """

    def __init__(self, seed: int | None) -> None:
        self.seed = seed

    def follow(self, seed: int) -> None:
        """Takes the seed of a run that reads by index, unless the data set has one."""
        if self.seed is None:
            self.seed = seed

    def at(self, number: int, seed: int) -> dict:
        """The sample at a position of the stream that a seed stands for."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int | Position) -> dict:
        """The sample at a position, or, by an index, of the first epoch.

        Raises:
            IndexError: there is no such index. Every position exists.
            ValueError: by an index, and the data set has no seed.
        """
        if isinstance(index, Position):
            return self.at(index.number, index.seed if self.seed is None else self.seed)
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} of {len(self)}; only a Position goes on beyond the first epoch')
        if self.seed is None:
            raise ValueError(
                f'{type(self).__name__} has no seed: give it one (seed=0), call follow(seed), or read it '
                "with a PositionSampler, which brings the run's"
            )
        return self.at(index, self.seed)


def load(dataset: BaseDataset, index: int, seed: int, stream: int, number: int) -> dict:
    """A sample through its pipeline, whose random numbers follow from seed, stream and position."""
    with seeded(seed, stream, number):
        return dataset[index]


def choose(dataset: BaseDataset, stream: int, rare: dict | None) -> Callable[[int, int], int]:
    """How indices follow from (position, seed): every sample once an epoch, or by rare classes; where the data set is
    made of several, as it says itself."""
    if hasattr(dataset, 'sampling'):
        return dataset.sampling(stream, rare)
    return Order(len(dataset), stream) if rare is None else RareClassSampling(dataset, stream=stream, **rare)


@DATASETS.register_module()
class Positioned(Stream):
    """One data set, read by position: the source-only counterpart of `DomainPair`, which sees the same source samples.

    Args:
        dataset: config of the data set, or the data set.
        seed: of the order and the augmentation; None follows the run's `randomness.seed`.
        rare_class_sampling: arguments of `RareClassSampling`, or None for every sample once an epoch.
    """

    def __init__(
        self, dataset: dict | BaseDataset, seed: int | None = None, rare_class_sampling: dict | None = None
    ) -> None:
        super().__init__(seed)
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self._index = choose(self.dataset, 0, rare_class_sampling)

    @property
    def metainfo(self) -> dict:
        """The data set's classes and palette."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Positions an epoch."""
        return len(self.dataset)

    def at(self, number: int, seed: int) -> dict:
        """The sample at a position, through the data set's pipeline."""
        return load(self.dataset, self._index(number, seed), seed, 0, number)
