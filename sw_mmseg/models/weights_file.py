"""The tensors of a checkpoint that anybody wrote, read without running anything in it.

A checkpoint of a training holds more than weights: log buffers, arguments, schedules. `torch.load(weights_only=True)`
refuses all of it, and without that flag a pickle may call whatever it names. Here everything that is neither a tensor
nor plain data becomes an object that does nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import torch
from torch import Tensor

from sw_mmseg.files import is_whole_archive

__all__ = ['backbone_weights', 'read_tensors']

PLAIN = {('collections', 'OrderedDict'), ('builtins', 'set'), ('builtins', 'bytearray')}
REBUILD = 'torch._utils'
CONTAINERS = ('state_dict', 'model', 'model_state', 'model_state_dict', 'module', 'network', 'net')
WRAPPER = 'module'
BACKBONES = ('segmentor.backbone.', 'model.backbone.', 'backbone.')


class Inert:
    """Stands for what is not read."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """As a list would."""

    def extend(self, values: object) -> None:
        """As a list would."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in PLAIN or module == REBUILD and name.startswith('_rebuild'):
            return super().find_class(module, name)
        if module == 'torch' and isinstance(getattr(torch, name, None), (torch.dtype, type)):
            return getattr(torch, name)
        return Inert


class _Pickle:
    """What torch asks of a pickle module."""

    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: object, **options: object) -> object:
        return _Unpickler(file, **options).load()


def read_tensors(path: str) -> dict[str, Tensor]:
    """The weights in a file: a dict of tensors, or one in it under a usual name ('state_dict', 'model', ...).

    Raises:
        ValueError: there are none, or the file is damaged.
        RuntimeError, EOFError, pickle.UnpicklingError: no file of torch.
    """
    if path.endswith('.safetensors'):
        return _read_safetensors(path)
    is_whole_archive(path)
    content = torch.load(path, map_location='cpu', weights_only=False, pickle_module=_Pickle)
    while isinstance(content, Mapping):
        tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
        content = next((content[key] for key in CONTAINERS if isinstance(content.get(key), Mapping)), None)
    raise ValueError('it holds no weights')


def _read_safetensors(path: str) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ValueError('reading it needs the package safetensors: pip install safetensors') from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def backbone_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the backbone, by its own names: of a whole segmentor or classifier, of an adaptation model, with or
    without the `module.` that wrappers for several processes add; of a backbone alone, all."""
    state = {'.'.join(part for part in key.split('.') if part != WRAPPER): value for key, value in state.items()}
    for prefix in BACKBONES:
        if any(key.startswith(prefix) for key in state):
            return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    return state
