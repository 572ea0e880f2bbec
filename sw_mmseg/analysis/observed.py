"""A network looked at while it runs: hooks that read its layers, in evaluation and without gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

__all__ = ['observed']


@contextmanager
def observed(model: nn.Module, handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Inside, `model` is in eval mode without gradients; outside, the hooks are gone and modes as they were."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
