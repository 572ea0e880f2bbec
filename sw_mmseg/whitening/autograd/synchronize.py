"""Batch moments of all processes: one all-reduce forward, one backward.

What travels is packed into one vector: pixel count, sum of means and sum of second moments, in fp64, in which the
subtraction of squared means is harmless. Processes may hold different numbers of samples, also none.
"""

import torch
import torch.distributed as dist
from torch import Tensor

from ..maths import Moments

__all__ = ['all_reduce_gradients', 'all_reduce_moments', 'resolve_group']


def resolve_group(sync: bool, process_group: dist.ProcessGroup | None) -> dist.ProcessGroup | None:
    """The group to reduce over, or None where the computation is local."""
    if not (sync and dist.is_available() and dist.is_initialized()):
        return None
    group = dist.group.WORLD if process_group is None else process_group
    return group if dist.get_world_size(group) > 1 else None


def all_reduce_moments(local: Moments, count: int, group: dist.ProcessGroup) -> tuple[Moments, Tensor]:
    """Moments and pixel count (0-d) of the joined batch, from those of this process (ignored where its count is 0).

    The count stays a tensor: reading it would make a GPU wait.
    """
    mean, cov = local.mean.double(), local.cov.double()
    second = cov + mean.unsqueeze(-1) * mean.unsqueeze(-2)
    packed = torch.cat([mean.new_full((1,), float(count)), count * mean.flatten(), count * second.flatten()])
    if count == 0:
        packed = torch.zeros_like(packed)  # the moments of nothing are NaN
    dist.all_reduce(packed, group=group)
    total = packed[0]
    average = packed[1:] / total.clamp_min(1)
    mean, second = average[: mean.numel()].view_as(mean), average[mean.numel() :].view_as(cov)
    cov = second - mean.unsqueeze(-1) * mean.unsqueeze(-2)
    return Moments(mean.to(local.mean.dtype), cov.to(local.cov.dtype)), total.clone()


def all_reduce_gradients(grad: Moments, group: dist.ProcessGroup) -> Moments:
    """The sum over processes of the gradients of the shared batch moments."""
    packed = torch.cat([grad.mean.flatten(), grad.cov.flatten()])
    dist.all_reduce(packed, group=group)
    mean = packed[: grad.mean.numel()].view_as(grad.mean)
    return Moments(mean, packed[grad.mean.numel() :].view_as(grad.cov))
