"""What keeps a step from being a CUDA graph, told on a CPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ['Recordable']

# what makes a host wait for its GPU, or read from the host while a graph replays
WAITS = {
    '_local_scalar_dense',
    'is_nonzero',
    'equal',
    'nonzero',
    'masked_select',
    'unique_dim',
    '_unique2',
    'lift_fresh',
}


class Recordable(TorchDispatchMode):
    """Refuses operations of torch that a CUDA graph cannot hold."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.removeprefix('aten::')
        moves = name == '_to_copy' and (kwargs or {}).get('device') is not None
        indices = args[1] if name in ('index', 'index_put_') else ()
        masks = any(index is not None and index.dtype is torch.bool for index in indices)
        assert name not in WAITS and not moves and not masks, f'{name} cannot be recorded'
        return function(*args, **(kwargs or {}))
