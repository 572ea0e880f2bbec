"""`SyncBN` that also works between processes without graphics cards: torch's own refuses tensors on the processor.

The paper synchronises BN over all processes (Section 4.2). Registered under the name that configs use, so that one
config trains on a processor, one card or many. On cards it is torch's layer, and everywhere it has torch's parameters,
buffers and keys.
"""

import torch
import torch.distributed as dist
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['SyncBatchNorm']


@MODELS.register_module('SyncBN', force=True)
class SyncBatchNorm(nn.SyncBatchNorm, _BatchNorm):  # `_BatchNorm`: mmengine's init_cfg matches direct bases by name
    """torch's `SyncBatchNorm`, arguments and all, on processors too."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) to the same shape; N may differ between processes."""
        batch = self.training or self.running_mean is None
        if not batch or input.is_cuda or not (dist.is_available() and dist.is_initialized()):
            return super().forward(input)
        self._check_input_dim(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))  # statistics are never in half precision
        mean, var, count = joined_moments(x, self.process_group or dist.group.WORLD)
        if self.training and self.track_running_stats:
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
    mean, second = packed[1:1 + channels] / total, packed[1 + channels:] / total
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
