"""The network inside a wrapper for several processes."""

from __future__ import annotations

from typing import TypeVar, cast

from mmengine.model import is_model_wrapper
from torch import nn

__all__ = ['unwrap']

ModuleT = TypeVar('ModuleT', bound=nn.Module)


def unwrap(module: ModuleT) -> ModuleT:
    """The module inside a parallel wrapper, or itself."""
    return cast(ModuleT, module.module) if is_model_wrapper(module) else module
