"""State dicts of other norms and of other Ω, turned into what a layer expects.

A BatchNorm's `weight`, `bias` and `running_mean` keep their names; its `running_var` becomes the diagonal of
`running_cov`. Nothing of a checkpoint is dropped in silence: what cannot be used becomes an error, except running
statistics that a layer has no use for, which are logged.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .layer import SwitchWhiten

__all__ = ['adapt_state_dict']

_LOGGER = logging.getLogger(__name__)
_LOGITS = ('mean_logits', 'cov_logits', 'mean_logits.original', 'cov_logits.original')  # the last two parametrised


def adapt_state_dict(layer: SwitchWhiten, state_dict: MutableMapping[str, Tensor], prefix: str) -> list[str]:
    """Rewrites the entries of `layer` in `state_dict` in place; returns error messages for what does not fit."""
    keys = {key[len(prefix) :] for key in state_dict if key.startswith(prefix)}
    if not keys & {'weight', 'bias', 'running_mean', 'running_var', 'running_cov', 'mean_logits', 'cov_logits'}:
        return []  # nothing for this layer: the caller reports missing keys
    if not all(isinstance(state_dict[prefix + key], Tensor) for key in keys & {*layer.state_dict(), 'running_var'}):
        return []  # arrays of numpy, say: torch names them
    errors = _adapt_logits(layer, state_dict, prefix)
    errors += _untied_logits(layer, state_dict, prefix)
    if layer.running_cov is None:
        _drop_running(state_dict, prefix)
        return errors
    if prefix + 'running_var' in state_dict:
        state_dict[prefix + 'running_cov'] = state_dict.pop(prefix + 'running_var').view(-1, 1, 1)
    cov = state_dict.get(prefix + 'running_cov')
    if cov is not None and cov.shape != layer.running_cov.shape:
        fitted = _fit_cov(cov, layer.running_cov.shape)
        if fitted is None:
            errors.append(_misfit(layer, cov, layer.running_cov.shape, prefix))
            fitted = layer.running_cov
        state_dict[prefix + 'running_cov'] = fitted
    for name in ('running_mean', 'running_cov'):  # with `assign` the layer takes the entries themselves
        if prefix + name in state_dict:
            entry = state_dict[prefix + name]
            state_dict[prefix + name] = entry.to(torch.promote_types(entry.dtype, torch.float32))
    return errors


def _misfit(layer: SwitchWhiten, cov: Tensor, shape: torch.Size, prefix: str) -> str:
    text = f'{prefix}running_cov, shape {tuple(cov.shape)},'
    if cov.dim() != 3 or cov.shape[1] != cov.shape[2]:
        return f'{text} holds no covariances of groups of channels, as the layer has them: {tuple(shape)}'
    channels, size = cov.shape[0] * cov.shape[2], cov.shape[2]
    if channels != layer.num_features:
        return f'{text} is of {channels} channels, the layer has {layer.num_features}'
    return (
        f'{text} has groups of {size} channels, the layer has group_size={layer.group_size} of {channels} channels: '
        f'build it with group_size={size}'
    )


def _adapt_logits(layer: SwitchWhiten, state_dict: MutableMapping[str, Tensor], prefix: str) -> list[str]:
    """A norm without logits leaves the layer's own ratios; those of another Ω are refused."""
    errors = []
    stored = [name for name in ('mean_logits', 'cov_logits') if name in layer._parameters]  # not parametrised
    if not any(key.startswith(prefix) and key.endswith(_LOGITS) for key in state_dict):
        for name in stored:
            state_dict[prefix + name] = _initial_logits(layer, name, state_dict, prefix)
    for name in stored:
        logits, expected = state_dict.get(prefix + name), getattr(layer, name)
        if logits is not None and logits.shape != expected.shape:
            errors.append(
                f'{prefix}{name} weighs {logits.numel()} statistics, the layer has {expected.numel()}: '
                f'{layer.statistics}. Build it with the statistics that the checkpoint was trained with'
            )
            state_dict[prefix + name] = expected.detach()
    return errors


def _initial_logits(layer: SwitchWhiten, name: str, state_dict: Mapping[str, Tensor], prefix: str) -> Tensor:
    """The layer's own; of one that was built without values equal ones, where the entries beside them lie."""
    logits = getattr(layer, name).detach()
    if not logits.is_meta:
        return logits
    device = next(entry.device for key, entry in state_dict.items() if key.startswith(prefix))
    return torch.ones(logits.shape, dtype=logits.dtype, device=device)


def _untied_logits(layer: SwitchWhiten, state_dict: MutableMapping[str, Tensor], prefix: str) -> list[str]:
    """Two sets of logits for a layer that has one are refused."""
    if not layer.tie_weights:
        return []
    of_cov, of_mean = state_dict.get(prefix + 'cov_logits'), state_dict.get(prefix + 'mean_logits')
    if of_cov is None or of_mean is None:
        return []
    if of_cov.is_meta or of_mean.is_meta or torch.equal(_joined(of_cov), _joined(of_mean)):
        state_dict[prefix + 'cov_logits'] = of_mean  # torch shards one of two names of a parameter
        return []
    return [
        f'{prefix}cov_logits differs from {prefix}mean_logits, and the layer has one of them for both '
        '(tie_weights=True): build it with tie_weights=False'
    ]


def _joined(tensor: Tensor) -> Tensor:
    """The whole of a sharded tensor, which every process has to ask for."""
    return getattr(tensor, 'full_tensor', lambda: tensor)()


def _drop_running(state_dict: MutableMapping[str, Tensor], prefix: str) -> None:
    dropped = [
        name
        for name in ('running_mean', 'running_var', 'running_cov', 'num_batches_tracked')
        if state_dict.pop(prefix + name, None) is not None
    ]
    if dropped:
        _LOGGER.info(
            '%s: no running statistics in this layer, %s of the checkpoint not used', prefix.rstrip('.'), dropped
        )


def _fit_cov(cov: Tensor, shape: torch.Size) -> Tensor | None:
    """Between variances, which are groups of one channel, and covariances: diagonals. None where neither is."""
    if cov.dim() != 3 or cov.shape[0] * cov.shape[-1] != shape[0] * shape[-1] or 1 not in (cov.shape[-1], shape[-1]):
        return None
    if shape[-1] == 1:
        return cov.diagonal(dim1=-2, dim2=-1).reshape(shape)
    return torch.diag_embed(cov.reshape(shape[:2]))
