"""Mixed precision in bfloat16, on CPUs as well as on GPUs.

mmengine's `AmpOptimWrapper` scales losses for float16 and refuses to start without a GPU. bfloat16 has
float32's range: nothing has to be scaled, and a step is never skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

__all__ = ['Bfloat16OptimWrapper']


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """`OptimWrapper` whose `optim_context` computes in bfloat16 where torch's autocast finds that safe.

    Weights, gradients and optimiser states stay in float32. Arguments are those of `OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the device that holds the model's parameters."""
        device = next((p.device.type for p in model.parameters()), 'cpu')
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
