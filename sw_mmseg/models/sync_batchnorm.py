"""`SyncBN` between processes on a machine without a GPU, where torch's own refuses to work.

The paper synchronises BN over all processes (Section 4.2). Where there is no GPU, `openmmlab/sync_batchnorm.py` gives
this layer the name that configs use. Parameters, buffers and keys are those of torch's, so checkpoints fit either. It
is no subclass of torch's: DistributedDataParallel refuses those here.
"""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['SyncBatchNorm']


class SyncBatchNorm(_BatchNorm):
    """BatchNorm over the joined batch of all processes of a group; BatchNorm where there is no group.

    Args:
        num_features, eps, momentum, affine, track_running_stats: of torch's `SyncBatchNorm`, as are the next three.
        process_group: the processes to join; None for all.
        device, dtype: of the parameters.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: dist.ProcessGroup | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f'SyncBatchNorm expects an input (N, C, *), got shape {tuple(input.shape)}')

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) to the same shape; N may differ between processes."""
        if not self.training or not (dist.is_available() and dist.is_initialized()):  # evaluation may be one's alone
            return super().forward(input)
        self._check_input_dim(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))  # statistics are never in half precision
        mean, var, count = joined_moments(x, self.process_group or dist.group.WORLD)
        if count and self.training and self.track_running_stats:
            self._track(mean, var * (count / max(count - 1, 1)))
        shape = (1, -1, *[1] * (x.dim() - 2))
        x = (x - mean.to(x.dtype).view(shape)) * (var + self.eps).rsqrt().to(x.dtype).view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(var.to(self.running_var.dtype), factor)


def joined_moments(x: Tensor, group: dist.ProcessGroup) -> tuple[Tensor, Tensor, int]:
    """Mean (C,) and biased variance (C,) of x (N, C, *) over all processes, in double, and the pixels behind them.

    What travels are count, sum of means and sum of second moments in double, where subtracting squares is harmless.
    """
    count, channels = x.numel() // max(x.shape[1], 1), x.shape[1]
    if count:
        var, mean = torch.var_mean(x, [0, *range(2, x.dim())], correction=0)
        mean, var = mean.double(), var.double()
        second = var + mean.square()
    else:  # connected to the graph: every process has to take part in the backward's exchange
        mean = second = x.sum([0, *range(2, x.dim())]).double()
    packed = torch.cat([mean.new_tensor([float(count)]), count * mean, count * second])
    packed = _SumOverProcesses.apply(packed, group)
    total = int(packed[0])
    mean, second = (
        packed[1 : 1 + channels] / max(total, 1),
        packed[1 + channels :] / max(total, 1),
    )  # no process has any
    return mean, (second - mean.square()).clamp(min=0), total


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over the processes of a group; so is its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        x = x.clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone()
        dist.all_reduce(grad, group=ctx.group)
        return grad, None
