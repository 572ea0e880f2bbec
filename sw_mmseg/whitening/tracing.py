"""Whether someone follows torch's operations instead of running them: Python cannot branch on values then, and code
that is not torch's cannot be called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

if TYPE_CHECKING:
    from torch import nn

__all__ = ['as_leaf', 'has_gradient', 'is_dual', 'is_exported', 'is_followed', 'is_recorded', 'is_transformed']


def as_leaf(module: nn.Module, input: fx.Proxy) -> Any:
    """One node for a call of `module`, whatever tracer of `torch.fx` asks: each has its own test for leaves."""
    tracer: Any = input.tracer  # an `fx.Tracer`

    def forward(input: fx.Proxy) -> Any:
        return tracer.create_proxy('call_module', tracer.path_of_module(module), (input,), {})

    return tracer.call_module(module, forward, (input,), {})


def is_transformed() -> bool:
    """Inside `grad`, `vmap` or another transform of `torch.func`. torch has no public question for that."""
    return torch._C._are_functorch_transforms_active()


def has_gradient(*tensors: Tensor | None) -> bool:
    """Whether one of them will ask for its gradient; `needs_input_grad` says so under `no_grad`, too."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def is_dual() -> bool:
    """Inside `torch.autograd.forward_ad.dual_level`, where tensors may carry tangents. torch has no public question."""
    return torch.autograd.forward_ad._current_level >= 0


def is_exported() -> bool:
    """Something must see each operation of torch: `torch.export`, `torch.jit.trace` or a transform of `torch.func`.

    The flag is what is behind `torch.compiler.is_exporting()`, which under `torch.compile` is always true.
    """
    return torch.compiler._is_exporting_flag or torch.jit.is_tracing() or is_transformed()


def is_recorded() -> bool:
    """A mode sees each operation that torch dispatches: fake tensors, `make_fx`, counters of operations."""
    return torch._C._len_torch_dispatch_stack() > 0


def is_followed() -> bool:
    """Exported, compiled or recorded: no branch on the values of a tensor."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or is_transformed() or is_recorded()
