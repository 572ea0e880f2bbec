"""Whose images move the running statistics: a choice that the adaptation literature mostly makes in silence.

A batch-statistics norm (BatchNorm, SyncBN, SwitchWhiten2d) keeps running statistics for evaluation. While two domains
pass through one network, a plain implementation lets both move them ('both'), although evaluation sees the target
only: their mixture describes neither domain. The policies:

    source      only source images move them
    target      only target images move them (default: the evaluated domain describes itself)
    both        every forward moves them: the plain implementation
    separate    each domain moves a set of its own; the network's buffers are the target's, the source's stand here
    frozen      nothing moves and training, too, normalises with the running statistics (norms in eval mode): for
                networks that start from pretrained ones

Under all but 'frozen' a training forward normalises with the statistics of its own batch; the policy concerns buffers
alone. `requires_grad=False` does not stop running statistics, and a target batch that only passes forward moves them:
**an adversarial weight of 0 is therefore not source-only training** unless the policy is 'source'.

Not compatible with activation checkpointing: the recomputed forward runs outside the policy's context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from sw_mmseg.domains import DOMAINS
from sw_mmseg.models.from_whitening import diagonals

__all__ = ['POLICIES', 'DomainStatistics', 'frozen_statistics', 'paused_statistics', 'running_layers']

POLICIES = ('source', 'target', 'both', 'separate', 'frozen')
"""Whose images move running statistics: the words of `statistics_from`."""
OTHER_KIND = {'running_var': 'running_cov', 'running_cov': 'running_var'}  # of BatchNorms, and of whitening layers


def running_layers(model: nn.Module) -> dict[str, _BatchNorm]:
    """The layers of `model` that keep running statistics of batches, by name.

    Raises:
        TypeError: an instance norm tracks statistics. Torch lets those buffers move whatever the flags say.
    """
    tracking = {name: layer for name, layer in model.named_modules() if getattr(layer, 'track_running_stats', False)}
    for name, layer in tracking.items():
        if isinstance(layer, _InstanceNorm):
            raise TypeError(
                f'{name}: an instance norm with track_running_stats=True has no statistics policy; '
                'leave its track_running_stats at False'
            )
    return {name: layer for name, layer in tracking.items() if isinstance(layer, _BatchNorm)}


@contextmanager
def paused_statistics(model: nn.Module) -> Iterator[None]:
    """Inside, training forwards of `model` use batch statistics as ever and move no running statistics."""
    layers = running_layers(model).values()
    try:
        for layer in layers:
            layer.track_running_stats = False
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Inside, every layer with running statistics is in eval mode: normalises with them and moves none."""
    layers = [layer for layer in running_layers(model).values() if layer.training]
    try:
        for layer in layers:
            layer.eval()
        yield
    finally:
        for layer in layers:
            layer.train()


class DomainStatistics(nn.Module):
    """A policy, applied around the forward pass of each domain.

    Holds the source's set of buffers under the policy 'separate', so that checkpoints contain it; else nothing. Layers
    are looked up by name on each use: conversion to SyncBN or a wrapper around the model changes nothing here.

    Args:
        model: the network whose norms are meant, not wrapped.
        policy: one of `POLICIES`.
    """

    def __init__(self, model: nn.Module, policy: str = 'target') -> None:
        super().__init__()
        if policy not in POLICIES:
            raise ValueError(f'statistics_from must be one of {POLICIES}, got {policy!r}')
        self.policy = policy
        layers = running_layers(model)
        if policy == 'separate':
            for layer, buffer, key in _slots(layers):
                self.register_buffer(key, layer.get_buffer(buffer).clone())

    def of(self, model: nn.Module, domain: str | None) -> AbstractContextManager[None]:
        """The context in which a training batch of `domain` ('source' or 'target') passes through `model`.

        None is for images that describe neither domain, such as masked ones: they move nothing.
        """
        if domain not in (*DOMAINS, None):
            raise ValueError(f'domain must be one of {DOMAINS}, or None for neither, got {domain!r}')
        if self.policy == 'frozen':
            return frozen_statistics(model)
        if domain is None:
            return paused_statistics(model)
        if self.policy == 'separate':
            return self.set_of(model, domain)
        return nullcontext() if self.policy in ('both', domain) else paused_statistics(model)

    def set_of(self, model: nn.Module, domain: str) -> AbstractContextManager[None]:
        """The context in which `model` reads, and in training moves, the set of `domain`. Policy 'separate' only."""
        if self.policy != 'separate':
            raise ValueError(f"a set for each domain needs statistics_from='separate', not {self.policy!r}")
        return self._swapped(model) if domain == 'source' else nullcontext()

    def copy_from(self, model: nn.Module) -> None:
        """Starts the source's set from the buffers of `model`, for instance from pretrained ones."""
        if self.policy == 'separate':
            for layer, buffer, key in _slots(running_layers(model)):
                self.get_buffer(key).copy_(layer.get_buffer(buffer))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Of a set that another norm kept, variances and covariances stand for each other, as diagonals."""
        for key, buffer in self.named_buffers():
            layer, _, kind = key.rpartition('/')
            other = f'{prefix}{layer}/{OTHER_KIND.get(kind)}'
            if prefix + key not in state_dict and other in state_dict:
                state_dict[prefix + key] = _as_kind(kind, state_dict.pop(other), buffer)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def start_from(self, state_dict: dict[str, Tensor], prefix: str, network: str) -> None:
        """Fills in the source's set, under `prefix`, from the running statistics under the prefix `network`. Variances
        of a BatchNorm and covariances of a whitening layer stand for each other, as diagonals."""
        for key, buffer in self.named_buffers():
            layer, _, kind = (network + key.removeprefix('source/').replace('/', '.')).rpartition('.')
            if prefix + key in state_dict:
                continue
            if f'{layer}.{kind}' in state_dict:
                state_dict[prefix + key] = state_dict[f'{layer}.{kind}'].clone()
            elif f'{layer}.{OTHER_KIND.get(kind)}' in state_dict:
                state_dict[prefix + key] = _as_kind(kind, state_dict[f'{layer}.{OTHER_KIND[kind]}'], buffer)

    @contextmanager
    def _swapped(self, model: nn.Module) -> Iterator[None]:
        slots = list(_slots(running_layers(model)))
        self._swap(slots)
        try:
            yield
        finally:
            self._swap(slots)

    def _swap(self, slots: list[tuple[nn.Module, str, str]]) -> None:
        for layer, buffer, key in slots:
            network, source = layer.get_buffer(buffer), self.get_buffer(key)
            setattr(layer, buffer, source)
            setattr(self, key, network)

    def extra_repr(self) -> str:
        """The policy."""
        return f'policy={self.policy!r}'


def _as_kind(kind: str, other: Tensor, buffer: Tensor) -> Tensor:
    """Variances of covariances, or covariances without any off their diagonals, in the shape of `buffer`."""
    return diagonals(other) if kind == 'running_var' else torch.diag_embed(other.view(buffer.shape[:2]))


def _slots(layers: Mapping[str, nn.Module]) -> Iterator[tuple[nn.Module, str, str]]:
    """Layer, name of its buffer, and the name under which the source's counterpart is registered."""
    for name, layer in layers.items():
        for buffer, _ in layer.named_buffers(recurse=False):
            yield layer, buffer, f'source/{name}/{buffer}'.replace('.', '/')
