"""Operations of torch that no CUDA graph can hold: those for which the host waits, and copies from the host."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ['Waits', 'WaitsForDevice']

# those whose result is a number of Python, or has a size that depends on values
_NAMES = {
    '_local_scalar_dense',
    '_unique',
    '_unique2',
    'bincount',
    'equal',
    'is_nonzero',
    'masked_select',
    'nonzero',
    'unique_consecutive',
    'unique_dim',
}
_INDEXING = {'index', 'index_put', 'index_put_', '_index_put_impl_', '_unsafe_index', '_unsafe_index_put'}


class WaitsForDevice(RuntimeError):
    """A step waits for a value of its device, or copies one there; the text names the operation and the line."""


class Waits(TorchDispatchMode):
    """While it is entered, refuses such operations on tensors of one device.

    Where a CPU stands in for a GPU, a tensor that is made from several numbers counts as copied to it.

    Args:
        device: where the step computes.

    Raises:
        WaitsForDevice: by an operation, before it is run.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix('aten::')
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if self._waits(name, tensors, args, kwargs):
            raise WaitsForDevice(f'{name}, asked for by {_line()}')
        return function(*args, **kwargs)

    def _waits(self, name: str, tensors: list[Tensor], args: Any, kwargs: dict[str, Any]) -> bool:
        devices = {tensor.device.type for tensor in tensors}
        if self._device.type not in devices | {torch.device(kwargs.get('device') or 'cpu').type}:
            return False
        if name in _INDEXING:
            indices, values = args[1] if len(args) > 1 else kwargs['indices'], args[2] if len(args) > 2 else None
            if values is not None and values.numel() == 1 and values.device.type == 'cpu':
                return False  # torch fills by the mask
            return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)
        if name == 'repeat_interleave':
            return kwargs.get('output_size') is None
        if name == 'lift_fresh':  # on a CPU a single number may be meant for it
            return tensors[0].ndim > 0 or self._device.type != 'cpu'
        if name == '_to_copy':
            return kwargs.get('device') is not None and {torch.device(kwargs['device']).type} != devices
        return name in _NAMES or (name == 'copy_' and len(devices) > 1)


def _line() -> str:
    """The innermost line that is neither of torch nor of this file, in words."""
    here = {Path(__file__), Path(torch.__file__).parent}
    for frame in reversed(traceback.extract_stack()):
        file = Path(frame.filename)
        if not here & {file, *file.parents}:
            return f'line {frame.lineno} of {file.name}: {frame.line}'
    return 'torch itself'
