"""One endless stream of samples: position 0, 1, 2 ... names a sample and the random numbers of its augmentation.

A position means the same sample whatever process loads it and whatever was loaded before it. So the stream does not
depend on the number of workers, and a run that stops and resumes goes on with the very samples it would have seen.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from .rare_class import RareClassSampling

__all__ = ['Order', 'Positioned', 'Stream', 'choose', 'seeded']


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Python's, numpy's and torch's random numbers follow from `numbers` inside, and go on as before outside."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence(numbers).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.default_generator.manual_seed(int(words[2]))  # not `torch.manual_seed`, which would reach for the GPU
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


class Stream(Dataset):
    """Base of the data sets that are read by position; `PositionSampler` gives them a seed if they have none."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed

    def follow(self, seed: int) -> None:
        """Takes the run's seed, unless a seed of its own was asked for."""
        if self.seed is None:
            self.seed = seed

    def _load(self, dataset: BaseDataset, index: int, stream: int, position: int) -> dict:
        with seeded(self.seed or 0, stream, position):
            return dataset[index]


def choose(dataset: BaseDataset, stream: int, rare: dict | None) -> Callable[[int, int], int]:
    """How indices follow from (position, seed): every sample once an epoch, or by rare classes."""
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
        """Positions an epoch; positions go on for ever."""
        return len(self.dataset)

    def __getitem__(self, position: int) -> dict:
        """The sample at a position, through the data set's pipeline."""
        return self._load(self.dataset, self._index(position, self.seed or 0), 0, position)
