"""The tensors that a layer holds, as its forward takes them: without the attributes of a module, which take ten times
as long to find as what is in a dictionary, and would be most of a small layer's time on a GPU."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .autograd import Memory, Running
from .maths import INSTANCE, Parameters

if TYPE_CHECKING:
    from .layer import SwitchWhiten

__all__ = ['BUFFERS', 'learned_of', 'memory_of', 'nothing_whitened', 'running_of']

BUFFERS = ('running_mean', 'running_cov', 'num_batches_tracked', 'num_batches_skipped')


def learned_of(layer: SwitchWhiten) -> Parameters:
    """Weight, bias and the logits of both mixtures."""
    stored = layer._parameters
    try:
        weight, bias, mean_logits, cov_logits = (stored[name] for name in Parameters._fields)
    except KeyError:  # some are computed, as those of a parametrised or pruned layer and of a replica
        return Parameters(layer.weight, layer.bias, layer.mean_logits, layer.cov_logits)
    if mean_logits is None or cov_logits is None:
        raise ValueError(f'{type(layer).__name__} has lost its mean_logits or cov_logits: they may not be None')
    return Parameters(weight, bias, mean_logits, cov_logits)


def running_of(layer: SwitchWhiten) -> Running | None:
    """The running statistics: in evaluation as batch moments, in training to be moved; None where they play no part."""
    stored = layer._buffers
    mean, cov, tracked, skipped = (stored[name] for name in BUFFERS)
    if mean is None or cov is None or tracked is None or skipped is None:
        return None
    if not layer.training:
        return Running(mean, cov, tracked, skipped, None)
    if not layer.track_running_stats or layer.momentum is None:  # others switch tracking off for a while
        return None
    return Running(mean, cov, tracked, skipped, float(layer.momentum))


def memory_of(layer: SwitchWhiten) -> Memory | None:
    """Where the map of evaluation may be kept: with batch statistics alone it does not depend on the input."""
    if layer._buffers['running_mean'] is None or not INSTANCE.isdisjoint(layer.statistics):
        return None
    if layer._memory is None:
        layer._memory = Memory()
    return layer._memory


def nothing_whitened(input: Tensor, parameters: Parameters) -> Tensor:
    """No samples, no statistics: the input, connected to the parameters so that their gradients are zero."""
    total = functools.reduce(torch.add, (parameter.sum() for parameter in parameters if parameter is not None))
    return input + 0 * total.to(input.dtype)
