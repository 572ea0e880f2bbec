"""Whether someone follows torch's operations instead of running them: Python cannot branch on values then, and code
that is not torch's cannot be called.
"""

import torch

__all__ = ['is_exported', 'is_followed', 'is_transformed']


def is_transformed() -> bool:
    """Inside `grad`, `vmap` or another transform of `torch.func`. torch has no public question for that."""
    return torch._C._are_functorch_transforms_active()


def is_exported() -> bool:
    """Something must see each operation of torch: `torch.export`, `torch.jit.trace` or a transform of `torch.func`.

    The flag is what is behind `torch.compiler.is_exporting()`, which under `torch.compile` is always true.
    """
    return torch.compiler._is_exporting_flag or torch.jit.is_tracing() or is_transformed()


def is_followed() -> bool:
    """Exported or compiled: no branch on the values of a tensor."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or is_transformed()
