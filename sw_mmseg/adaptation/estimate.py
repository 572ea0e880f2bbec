"""Running statistics from scratch, on images of one's choice: adaptation at the price of a few forward passes.

Every layer is given the mean and the variance (covariance) of all values it saw, as if the images were one batch.
Averaging the batches' variances, as a cumulative moving average does, leaves out the variance between batches, which
is most of it where images differ and batches are small; so batches are merged by the parallel form of the variance.
While statistics are collected each layer normalises with its own batch, as in training; all else is in eval mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sw_mmseg.adaptation.base import DomainAdaptation, evaluating
from sw_mmseg.adaptation.statistics import running_layers
from sw_mmseg.models.wrappers import unwrap

__all__ = ['PooledMoments', 'estimate_statistics', 'forward_of']


class PooledMoments:
    """Mean and unbiased second central moment of everything a layer has seen; fp64.

    A layer is read after each forward, at momentum 1: its buffers then hold the moments of that batch alone.
    """

    def __init__(self, layer: _BatchNorm) -> None:
        self.kind = 'running_cov' if getattr(layer, 'running_cov', None) is not None else 'running_var'
        self.count = 0
        self.mean = torch.zeros_like(layer.get_buffer('running_mean'), dtype=torch.float64)
        self.scatter = torch.zeros_like(layer.get_buffer(self.kind), dtype=torch.float64)

    def after_forward(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """A forward hook of torch."""
        count = inputs[0].numel() // inputs[0].shape[1]
        if not count:  # a detector's head without a detection
            return
        step = layer.get_buffer('running_mean').double() - self.mean
        total = self.count + count
        self.scatter += layer.get_buffer(self.kind).double() * (count - 1)
        self.scatter += self._square(step) * (self.count * count / total)
        self.mean += step * (count / total)
        self.count = total

    def write(self, layer: nn.Module) -> None:
        """Puts the pooled moments into the layer's buffers."""
        layer.get_buffer('running_mean').copy_(self.mean)
        layer.get_buffer(self.kind).copy_(self.scatter / max(self.count - 1, 1))

    def _square(self, step: Tensor) -> Tensor:
        if self.kind == 'running_var':
            return step.square()  # C
        grouped = step.view(self.scatter.shape[:2])  # G D
        return grouped[:, :, None] * grouped[:, None, :]  # G D D


@torch.no_grad()
def estimate_statistics(model: nn.Module, batches: Iterable[Any], forward: Callable[[Any], Any] | None = None) -> int:
    """Replaces every running statistic of `model` by that of `batches`. No labels are read, no weight changes.

    Where an adaptation model has a set of them for each domain, the one that it predicts with is replaced.

    Args:
        model: any network; an mmseg segmentor or an adaptation model takes batches as its data loaders give them.
        batches: tensors (N, C, H, W), or mmseg batches (of a two-domain batch, the target's side).
        forward: what to do with a batch; must pass it through `model`.

    Returns:
        How many layers have new statistics. A layer that the batches never reached keeps its old ones, and all do if
        a forward fails.

    Raises:
        ValueError: `batches` is empty while the model has running statistics.
    """
    model = unwrap(model)
    with model.predicting_set() if isinstance(model, DomainAdaptation) else nullcontext():
        return _estimate(model, batches, forward or forward_of(model))


def _estimate(model: nn.Module, batches: Iterable[Any], forward: Callable[[Any], Any]) -> int:
    layers = list(running_layers(model).values())
    moments = [PooledMoments(layer) for layer in layers]
    batch_count = 0
    with _collecting(model, layers, moments):
        for batch in batches:
            forward(batch)
            batch_count += 1
    if layers and not batch_count:
        raise ValueError('estimate_statistics was given no batch: the images of the domain are missing')
    for layer, moment in zip(layers, moments):
        if moment.count:
            moment.write(layer)
            layer.get_buffer('num_batches_tracked').fill_(batch_count)
    return sum(moment.count > 0 for moment in moments)


@contextmanager
def _collecting(model: nn.Module, layers: list[_BatchNorm], moments: list[PooledMoments]) -> Iterator[None]:
    """Inside, the layers are in training mode at momentum 1 and report to `moments`, the rest is in eval mode; outside,
    all modes, momenta and buffers are what they were."""
    buffers = [{name: value.clone() for name, value in layer.named_buffers()} for layer in layers]
    momenta = [layer.momentum for layer in layers]
    hooks = [layer.register_forward_hook(moment.after_forward) for layer, moment in zip(layers, moments)]
    try:
        with evaluating(model):
            for layer in layers:
                layer.momentum = 1.0
                layer.train()
                layer.reset_running_stats()
            yield
    finally:
        for layer, saved, momentum, hook in zip(layers, buffers, momenta, hooks):
            hook.remove()
            layer.momentum = momentum
            for name, value in saved.items():
                layer.get_buffer(name).copy_(value)


def forward_of(model: nn.Module) -> Callable[[Any], Any]:
    """Through every head where the model has several; else its plain forward."""
    mode = {'mode': 'levels'} if hasattr(model, 'heads') else {}
    preprocess: Any = getattr(model, 'data_preprocessor', None)

    def forward(batch: Any) -> Any:
        if isinstance(batch, dict):
            batch = preprocess(batch.get('target', batch), False)['inputs']
        return model(batch, **mode)

    return forward
