"""What folding a layer changes, measured on an example."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

__all__ = ['error_of', 'largest_errors']


@torch.no_grad()
def error_of(folded: nn.Module, original: nn.Module, x: Tensor) -> float:
    """The largest difference of both outputs for x, in shares of the largest value of the original's."""
    return _relative(folded(x), original(x))


def _relative(output: Tensor, exact: Tensor) -> float:
    return ((output - exact).abs().max() / exact.abs().max().clamp_min(torch.finfo(exact.dtype).tiny)).item()


@torch.no_grad()
def largest_errors(
    model: nn.Module, layers: Mapping[str, nn.Module], folded: Mapping[str, nn.Module], example: Tensor
) -> dict[str, float]:
    """The largest error of each layer over its calls while the model sees `example`."""
    errors: dict[str, float] = {}

    def compare(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            errors[name] = max(errors.get(name, 0.0), _relative(folded[name](inputs[0]), output))

        return hook

    handles = [layers[name].register_forward_hook(compare(name)) for name in folded]
    try:
        model(example)
    finally:
        for handle in handles:
            handle.remove()
    return errors
