"""What a layer refuses, when built and when called, each with what would do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, fx

from .maths import BATCH, INVERSE_SQRT, Parameters
from .stored import BUFFERS, buffers_of
from .tracing import is_transformed

if TYPE_CHECKING:
    from .layer import SwitchWhiten

__all__ = [
    'NO_RUNNING_VAR',
    'check_enough_pixels',
    'check_input',
    'check_no_transform',
    'check_options',
    'check_tensors',
    'fitting_group_size',
]

NO_RUNNING_VAR = (
    '{} has no running_var but running_cov, a covariance a group, and synchronises by itself (sync=True): convert '
    'BatchNorms beside it with sw_mmseg.whitening.convert_sync_batchnorm, fold it into a convolution with '
    'sw_mmseg.whitening.fold, freeze it with .eval() and .requires_grad_(False), re-estimate its statistics with '
    'torch.optim.swa_utils.update_bn'
)


def check_options(num_features: int, eps: float, inverse_sqrt: str, iterations: int) -> None:
    """Raises `ValueError` for an option that no layer can have."""
    if num_features < 1:
        raise ValueError(f'num_features must be positive, got {num_features}')
    if not eps > 0:
        raise ValueError(f'eps must be positive, or a constant channel has no inverse square root; got {eps}')
    if inverse_sqrt not in INVERSE_SQRT:
        raise ValueError(f"unknown inverse_sqrt '{inverse_sqrt}': choose one of {list(INVERSE_SQRT)}")
    if iterations < 1:
        raise ValueError(f'iterations must be at least 1, got {iterations}')


def fitting_group_size(num_features: int, group_size: int) -> int:
    """`group_size`, if it divides the channels. Raises `ValueError` with sizes that do otherwise."""
    if group_size < 1 or num_features % group_size:
        fitting = [size for size in range(1, min(num_features, 64) + 1) if num_features % size == 0]
        raise ValueError(f'group_size={group_size} does not divide {num_features} channels: one of {fitting} would')
    return group_size


def check_input(layer: SwitchWhiten, input: Tensor) -> None:
    """Raises `ValueError` for a rank, channel count or dtype that is not the layer's, and for no pixels."""
    name = type(layer).__name__
    if isinstance(input, fx.Proxy):
        raise TypeError(f'torch.fx does not see into {name}: trace a module that contains it, in which it is one node')
    if input.layout is not torch.strided or input.is_nested:
        kind = 'a nested tensor' if input.is_nested else input.layout
        raise ValueError(f'{name} expects a dense input, got {kind}: convert it, for example with .to_dense()')
    if input.dim() not in layer.ranks:
        ranks = ' or '.join(f'{rank}-d' for rank in layer.ranks)
        raise ValueError(
            f'{name} expects a {ranks} input, got shape {tuple(input.shape)}: SwitchWhiten1d, 2d and 3d, '
            'in configs SW1d, SW2d and SW3d, are for inputs as BatchNorm1d, 2d and 3d take them'
        )
    if input.shape[1] != layer.num_features:
        raise ValueError(f'{name} was built for {layer.num_features} channels, got shape {tuple(input.shape)}')
    if not input.is_floating_point() or input.dtype.itemsize < 2:  # torch computes nothing in 8 bits
        raise ValueError(
            f'{name} expects floating point of 16 bits or more, got {input.dtype}: convert it, for example with '
            '.float()'
        )
    if 0 in input.shape[2:]:
        raise ValueError(f'{name} got an input without pixels, shape {tuple(input.shape)}')


def check_tensors(layer: SwitchWhiten, input: Tensor, parameters: Parameters) -> None:
    """Raises `RuntimeError`, as torch's operations do, where a tensor of the layer lies elsewhere than `input` or has
    not the shape that the options ask for, and `ValueError` where an option was set to what no layer can have: compiled
    code goes by addresses and sizes, and would read and write what is not the layer's."""
    c, d, words = layer.num_features, layer.group_size, len(layer.statistics)
    if d < 1 or c % d or layer.iterations < 1 or not layer.eps > 0 or layer.inverse_sqrt not in INVERSE_SQRT:
        fitting_group_size(c, d)
        check_options(c, layer.eps, layer.inverse_sqrt, layer.iterations)
    weight, bias, mean_logits, cov_logits = parameters
    mean, cov, tracked, skipped = buffers_of(layer)
    device, channels, ratios = input.device, (c,), (words,)
    if not (  # one by one: as a loop it would take half as long again
        (weight is None or weight.shape == channels and weight.device == device)
        and (bias is None or bias.shape == channels and bias.device == device)
        and (mean_logits.shape == ratios and mean_logits.device == device)
        and (cov_logits.shape == ratios and cov_logits.device == device)
        and (mean is None or mean.shape == channels and mean.device == device)
        and (cov is None or cov.shape == (c // d, d, d) and cov.device == device)
        and (tracked is None or tracked.shape == () and tracked.device == device)
        and (skipped is None or skipped.shape == () and skipped.device == device)
    ):
        shapes = channels, channels, ratios, ratios, channels, (c // d, d, d), (), ()
        named = zip((*parameters._fields, *BUFFERS), (*parameters, mean, cov, tracked, skipped), shapes)
        raise RuntimeError(_misfit(layer, input, named))


def _misfit(layer: SwitchWhiten, input: Tensor, named: Iterable[tuple[str, Tensor | None, tuple[int, ...]]]) -> str:
    """What is wrong with the first tensor that is elsewhere than `input` or has not the shape beside it."""
    name, tensor, shape = next(
        (name, tensor, shape)
        for name, tensor, shape in named
        if tensor is not None and (tensor.shape != shape or tensor.device != input.device)
    )
    kind = type(layer).__name__
    if tensor.device == input.device:
        return (
            f'{kind} has a {name} of shape {tuple(tensor.shape)}, where {layer.num_features} channels, groups of '
            f'{layer.group_size} and statistics {tuple(layer.statistics)} ask for {shape}'
        )
    way = 'move one of them with .to()'
    if tensor.is_meta:
        way = 'it has no values yet: load a state dict with assign=True, or .to_empty() and .reset_parameters()'
    return f'{kind} has its {name} on {tensor.device} and got an input on {input.device}: {way}'


def check_no_transform(layer: SwitchWhiten, group: dist.ProcessGroup | None) -> None:
    """Raises `RuntimeError` inside a transform of `torch.func`, where neither running statistics can move nor
    processes can be joined."""
    if is_transformed() and (group is not None or layer.training and layer.track_running_stats):
        raise RuntimeError(
            f'{type(layer).__name__} in training mode works under no transform of torch.func while it '
            'tracks or synchronises statistics: call .eval(), in which it does, take both away with '
            'torch.func.replace_all_batch_norm_modules_ and sync=False, or use torch.autograd'
        )


def check_enough_pixels(layer: SwitchWhiten, input: Tensor, group: dist.ProcessGroup | None) -> None:
    """One value has no variance: its normalised value is β, whatever it was. torch's norms refuse that too."""
    pixels = math.prod(input.shape[2:]) if input.shape[0] else 0
    if pixels > 1:
        return
    if pixels == 1 and set(layer.statistics) <= {'iw', 'in'}:
        shortage = 'one pixel an image'
    elif pixels * input.shape[0] == 1 and group is None and set(layer.statistics) <= BATCH | {'iw', 'in'}:
        shortage = 'one pixel in the whole batch'
    else:
        return
    raise ValueError(
        f'{type(layer).__name__} with statistics {layer.statistics} needs more than {shortage} to train, '
        f"got shape {tuple(input.shape)}: use larger inputs or batches, or add 'ln' to the statistics"
    )
