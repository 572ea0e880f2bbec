"""The endless sampler of positions: rank r of w processes takes r, r + w, r + 2w ..."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.dist import get_dist_info
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Dataset, Sampler

from .positions import Position, Stream

__all__ = ['PositionSampler']


@DATA_SAMPLERS.register_module()
class PositionSampler(Sampler):
    """Positions for a `DomainPair` or `Positioned` data set.

    The order lives in the data set, so resuming costs nothing: mmengine's loop calls `skip` with the number of samples
    that this rank has used, and none of them is loaded or even counted through.

    Args:
        dataset: the data set; it is left as it is.
        seed: for a data set that has none of its own: mmengine passes the run's, or None where processes differ in it
            (`diff_rank_seed`), which counts as 0.
    """

    def __init__(self, dataset: Dataset, seed: int | None = None) -> None:
        if not isinstance(dataset, Stream):
            raise TypeError(
                f'PositionSampler needs a data set that is read by position (DomainPair or Positioned), not '
                f'{type(dataset).__name__}: wrap it as dict(type="Positioned", dataset=...)'
            )
        self._seed = seed or 0
        self._size = len(dataset)
        self._rank, self._world = get_dist_info()
        self._skipped = 0

    def skip(self, num_samples: int) -> None:
        """The next iteration starts behind this rank's first `num_samples` positions, counted from the very first."""
        if num_samples < 0:
            raise ValueError(f'cannot skip {num_samples} samples')
        self._skipped = num_samples

    def __iter__(self) -> Iterator[Position]:
        """Positions without end."""
        position = self._rank + self._world * self._skipped
        while True:
            yield Position(position, self._seed)
            position += self._world

    def __len__(self) -> int:
        """Positions an epoch and process, rounded up; iteration does not stop there."""
        return -(-self._size // self._world)

    def set_epoch(self, epoch: int) -> None:
        """Nothing to do: a position knows its epoch."""
