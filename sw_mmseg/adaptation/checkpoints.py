"""Checkpoints that an adaptation model takes beside its own: other numbers of processes, source-only runs."""

from collections.abc import Iterable
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor

__all__ = ['accept_other_checkpoints', 'without_wrappers']


def accept_other_checkpoints(model: BaseModel, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """A hook of torch: checkpoints of other numbers of processes, and of source-only runs, load as one's own do.

    Names lose or gain the `module.` of a wrapper. A source-only network goes into the segmentor, so that `load_from`
    can start there; under the policy 'separate' its statistics are the source's set too.
    """
    names = {without_wrappers(key): key for key in model.state_dict(prefix=prefix)}
    layers = {without_wrappers(name): name for name in _modules(names.values())}
    source_only = any(key.startswith(f'{prefix}backbone.') for key in state_dict)
    for key in [key for key in state_dict if key.startswith(prefix)]:
        name = without_wrappers(key)
        if source_only:
            name = f'{prefix}segmentor.{name[len(prefix) :]}'
        layer, last = name.rpartition('.')[::2]  # which may hold what another norm would have, and turns into its own
        known = names.get(name, f'{layers[layer]}.{last}' if layer in layers else key)
        if known != key:
            state_dict[known] = state_dict.pop(key)
    if source_only:
        model.statistics.start_from(state_dict, f'{prefix}statistics.', f'{prefix}segmentor.')


def _modules(keys: Iterable[str]) -> set[str]:
    """Names of all modules on the way to entries: a norm made of norms has none of its own."""
    parts = (key.split('.')[:-1] for key in keys)
    return {'.'.join(path[:length]) for path in parts for length in range(1, len(path) + 1)}


def without_wrappers(key: str) -> str:
    """A weight's name without the part that a wrapper for several processes adds."""
    return '.'.join(part for part in key.split('.') if part != 'module')
