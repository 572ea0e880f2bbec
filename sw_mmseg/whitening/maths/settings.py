"""What the computation needs to know of a layer besides its tensors."""

from typing import NamedTuple

import torch.distributed as dist

__all__ = ['Settings']


class Settings(NamedTuple):
    """The options of `SwitchWhiten2d` of the same names; `group` is the process group to reduce over, or None."""

    statistics: tuple[str, ...]
    group_size: int
    eps: float
    inverse_sqrt: str
    iterations: int
    group: dist.ProcessGroup | None = None
