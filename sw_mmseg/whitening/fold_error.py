"""What folding a layer changes, measured on an example."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ['Measured', 'error_of', 'measured']


class Measured(NamedTuple):
    """The largest error of a layer over its calls, and the largest rank of its inputs; None where it was not called."""

    error: float | None = None
    rank: int | None = None


@torch.no_grad()
def error_of(folded: nn.Module, original: nn.Module, x: Tensor) -> float:
    """The largest difference of both outputs for x, in shares of the largest value of the original's."""
    return _relative(folded(x), original(x))


def _relative(output: Tensor, exact: Tensor) -> float:
    return ((output - exact).abs().max() / exact.abs().max().clamp_min(torch.finfo(exact.dtype).tiny)).item()


@torch.no_grad()
def measured(
    model: nn.Module, layers: Mapping[str, nn.Module], folded: Mapping[str, nn.Module], example: Tensor
) -> dict[str, Measured]:
    """Of each layer that is called while the model sees `example`, over its calls."""
    seen: dict[str, Measured] = {}

    def compare(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], dict[str, Tensor], Tensor], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor) -> None:
            x = inputs[0] if inputs else named['input']
            error, rank = _relative(folded[name](x), output), x.dim()
            before = seen.get(name, Measured(error, rank))
            seen[name] = Measured(max(before.error or 0.0, error), max(before.rank or 0, rank))

        return hook

    handles = [layers[name].register_forward_hook(compare(name), with_kwargs=True) for name in folded]
    try:
        model(example)
    finally:
        for handle in handles:
            handle.remove()
    return seen
