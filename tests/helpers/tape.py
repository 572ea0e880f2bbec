"""A stand-in for a CUDA graph: a tape of torch's operations."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Operations of torch, as they come."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations.append((function, args, kwargs or {}, result))
        return result

    def replay(self):
        with torch.no_grad():
            for function, args, kwargs, result in self.operations:
                again = function(*args, **kwargs)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.detach().copy_(new)


def recorder_of(model, optimizer, tapes):
    """Records as a GPU does, without an effect on model and optimiser."""

    def record(step, inputs):
        held = [*model.parameters(), *model.buffers()]
        held += [value for state in optimizer.state.values() for value in state.values() if value is not None]
        before = [value.detach().clone() for value in held]
        with Tape() as tape:
            result = step(*inputs)
        with torch.no_grad():
            for value, old in zip(held, before):
                value.copy_(old)
        tapes.append(tape)
        return tape.replay, result

    return record
