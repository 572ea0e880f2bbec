"""Several labelled data sets as one, each with a share of what is drawn: several sources, or a few labelled target
images beside a source. Not in the paper."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from .errors import DatasetError
from .positions import choose

__all__ = ['LabelledSets', 'place_of']

STREAMS_BETWEEN = 10  # data sets of one stream draw from random streams that far apart


@DATASETS.register_module()
class LabelledSets(Dataset):
    """Data sets of the same classes. By an index they follow one after the other. By position (`DomainPair`,
    `Positioned`) they take turns: of the first n positions, one with the share s of two has n s, rounded up or down.
    Every data set has an order of its own.

    Args:
        datasets: configs, or the data sets.
        shares: of each in the positions; positive, of any sum. None: as they are large.
    """

    def __init__(self, datasets: Sequence[dict | BaseDataset], shares: Sequence[float] | None = None) -> None:
        if not datasets:
            raise ValueError('LabelledSets needs at least one data set')
        self.datasets = [DATASETS.build(part) if isinstance(part, dict) else part for part in datasets]
        names = {tuple(part.metainfo['classes']) for part in self.datasets}
        if len(names) > 1:
            raise DatasetError(f'data sets that are trained on together have the same classes, not {sorted(names)}')
        weights = [len(part) for part in self.datasets] if shares is None else list(shares)
        if len(weights) != len(self.datasets) or min(weights) <= 0:
            raise ValueError(f'shares={shares}: a positive number for each of the {len(self.datasets)} data sets')
        self.shares = [weight / sum(weights) for weight in weights]
        self._ends = list(accumulate(len(part) for part in self.datasets))

    @property
    def METAINFO(self) -> dict:
        """What the files of the first data set hold."""
        return self.datasets[0].METAINFO

    @property
    def metainfo(self) -> dict:
        """Classes and palette."""
        return self.datasets[0].metainfo

    @property
    def data_root(self) -> str | None:
        """The first data set's folder."""
        return self.datasets[0].data_root

    def locate(self, index: int) -> tuple[int, int]:
        """Which data set an index is of, and its index there."""
        part = bisect_right(self._ends, index)
        return part, index - (self._ends[part - 1] if part else 0)

    def get_data_info(self, index: int) -> dict:
        """Paths of a sample."""
        part, place = self.locate(index)
        return self.datasets[part].get_data_info(place)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> dict:
        """A sample through the pipeline of its data set."""
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} of {len(self)}')
        part, place = self.locate(index)
        return self.datasets[part][place]

    def sampling(self, stream: int, rare: dict | None) -> Callable[[int, int], int]:
        """Index by (position, seed): whose turn it is, and which of its samples, see `positions.choose`."""
        orders = [choose(part, stream + STREAMS_BETWEEN * k, rare) for k, part in enumerate(self.datasets)]
        starts = [0, *self._ends]

        def index(position: int, seed: int) -> int:
            part, turn = place_of(position, self.shares)
            return starts[part] + orders[part](turn, seed)

        return index


def place_of(position: int, shares: Sequence[float]) -> tuple[int, int]:
    """Whose turn a position is, and how many turns that one had before.

    The last one has a turn where floor(n (1 - s)), the turns of all others in n positions, does not grow; those of the
    others are dealt out among them in the same way.
    """
    for last in range(len(shares) - 1, 0, -1):
        fraction = sum(shares[:last]) / sum(shares[: last + 1])
        before = int(position * fraction)
        if int((position + 1) * fraction) == before:
            return last, position - before
        position = before
    return 0, position
