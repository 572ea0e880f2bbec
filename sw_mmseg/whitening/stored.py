"""The tensors that a layer holds, as its forward takes them: without the attributes of a module, which take ten times
as long to find as what is in a dictionary, and would be most of a small layer's time on a GPU."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .autograd import Memory, Running
from .backends import Counters
from .maths import INSTANCE, Parameters

if TYPE_CHECKING:
    from .layer import SwitchWhiten

__all__ = ['BUFFERS', 'buffers_of', 'counters_of', 'learned_of', 'memory_of', 'nothing_whitened', 'running_of', 'tied']

BUFFERS = ('running_mean', 'running_cov', 'num_batches_tracked', 'num_batches_skipped')


def learned_of(layer: SwitchWhiten) -> Parameters:
    """Weight, bias and the logits of both mixtures."""
    stored = layer._parameters
    try:
        weight, bias = stored['weight'], stored['bias']
        mean_logits, cov_logits = stored['mean_logits'], stored['cov_logits']
    except KeyError:  # some are computed, as those of a parametrised or pruned layer and of a replica
        weight, bias, mean_logits, cov_logits = layer.weight, layer.bias, layer.mean_logits, layer.cov_logits
    if mean_logits is None or cov_logits is None:
        raise ValueError(f'{type(layer).__name__} has lost its mean_logits or cov_logits: they may not be None')
    if layer.tie_weights and cov_logits is not mean_logits:
        raise RuntimeError(
            f'{type(layer).__name__} has tie_weights=True, and its mean_logits and cov_logits are two tensors now: '
            'assign one parameter to both; to parametrise or prune them, build it with tie_weights=False'
        )
    return Parameters(weight, bias, mean_logits, cov_logits)


@contextmanager
def tied(layer: SwitchWhiten) -> Iterator[None]:
    """One parameter under two names comes apart where torch puts a new one under each: here it stays one. Two that
    were assigned stay two, which `learned_of` refuses."""
    stored = layer._parameters
    mean_logits = stored.get('mean_logits')
    one = mean_logits is not None and stored.get('cov_logits') is mean_logits
    yield
    if one:
        stored['cov_logits'] = stored['mean_logits']


def buffers_of(layer: SwitchWhiten) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Those that `BUFFERS` names, in its order."""
    stored = layer._buffers
    return stored['running_mean'], stored['running_cov'], stored['num_batches_tracked'], stored['num_batches_skipped']


def running_of(layer: SwitchWhiten) -> Running | None:
    """The running statistics: in evaluation as batch moments, in training to be moved; None where they play no part."""
    stored = layer._buffers
    mean, cov, given = stored['running_mean'], stored['running_cov'], not layer.training
    if mean is None or cov is None:
        return None
    if not given and (not layer.track_running_stats or layer.momentum is None):  # others switch it off for a while
        return None
    return Running(mean, cov, *counters_of(layer), None if given or layer.momentum is None else float(layer.momentum))


def counters_of(layer: SwitchWhiten) -> Counters:
    """Those of the layer; where somebody set one to None, as torch's norms allow, one that nobody will read."""
    tracked, skipped = layer._buffers['num_batches_tracked'], layer._buffers['num_batches_skipped']
    if tracked is None or skipped is None:
        cov = layer._buffers['running_cov']
        spare = torch.zeros((), dtype=torch.long, device=None if cov is None else cov.device)
        tracked, skipped = (spare.clone() if counter is None else counter for counter in (tracked, skipped))
    return Counters(tracked, skipped)


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
