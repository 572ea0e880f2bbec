"""Products of tensors that a network computes outside its layers: attention, and weights that are used directly.

Every operation of torch is seen while it runs, and counts for the innermost module that runs it. Attention of
`nn.MultiheadAttention` goes by its parts meanwhile, since its fast way is one operation that says nothing of them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

__all__ = ['Products', 'attention_by_parts']

CONVOLUTION = 'aten::convolution'
ATTENTION = 'aten::_scaled_dot_product_'  # what these begin with, one for each device and way


def _of_attention(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Queries with keys, (…, L, E) and (…, S, E), then their weights with values (…, S, V)."""
    return query[..., 0].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _of_matrices(first: Tensor, second: Tensor) -> int:
    return first.numel() * second.shape[-1]


# operation -> multiply-adds, from the tensors that it takes; those that also add take what they add to first
RULES: dict[str, Callable[..., int]] = {
    'aten::mm': _of_matrices,
    'aten::bmm': _of_matrices,
    'aten::addmm': lambda _, first, second: _of_matrices(first, second),
    'aten::baddbmm': lambda _, first, second: _of_matrices(first, second),
    'aten::mv': lambda first, _: first.numel(),
    'aten::dot': lambda first, _: first.numel(),
}


class Products(TorchDispatchMode):
    """Inside, `operations` counts multiply-adds by the name of the module that computes them, '' for the whole.

    Args:
        model: whose modules are told apart; `handles` are of the hooks for that.

    Attributes:
        called: the names of the modules that ran.
        read: the parameters of `model` that an operation took, by their `id`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.called: set[str] = set()
        self.read: set[int] = set()
        self._parameters = {id(parameter) for parameter in model.parameters()}
        self._running: list[str] = []
        self.handles: list[RemovableHandle] = []
        for name, module in model.named_modules():
            self.handles.append(module.register_forward_pre_hook(self._begin(name)))
            self.handles.append(module.register_forward_hook(self._end))

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Runs `func`, and counts what it multiplies."""
        name = func.name().partition('.')[0]
        rule = _of_attention if name.startswith(ATTENTION) else RULES.get(name)
        given = {key: value for key, value in (kwargs or {}).items() if key != 'out'}
        tensors = [value for value in tree_leaves((args, given)) if isinstance(value, Tensor)]
        self.read |= self._parameters & {id(value) for value in tensors}
        result = func(*args, **(kwargs or {}))
        if name == CONVOLUTION:  # (x, weight, bias, stride, padding, dilation, transposed, ...)
            self.operations[self._innermost()] += (args[0] if args[6] else result).numel() * args[1][0].numel()
        elif rule is not None:
            self.operations[self._innermost()] += rule(*tensors[:3])
        return result

    def _innermost(self) -> str:
        return self._running[-1] if self._running else ''

    def _begin(self, name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            self.called.add(name)
            self._running.append(name)

        return hook

    def _end(self, *_: Any) -> None:
        self._running.pop()


@contextlib.contextmanager
def attention_by_parts() -> Iterator[None]:
    """Meanwhile `nn.MultiheadAttention` computes in products that can be counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
