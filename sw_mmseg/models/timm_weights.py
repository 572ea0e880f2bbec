"""Weights of timm's networks: `timm://NAME`, from timm's cache or the hub, or which file to put where."""

from __future__ import annotations

from torch import Tensor

__all__ = ['TIMM', 'TimmWeightsError', 'read_timm']

TIMM = 'timm://'


class TimmWeightsError(RuntimeError):
    """No such weights, or they cannot be fetched."""


def read_timm(name: str) -> dict[str, Tensor]:
    """The state dict that timm publishes for a name such as 'vit_small_patch14_dinov2.lvd142m'.

    Raises:
        TimmWeightsError: timm knows no weights of that name, or can neither find nor fetch them.
    """
    import timm

    try:
        settings = timm.get_pretrained_cfg(name) if timm.is_model(name.partition('.')[0]) else None
    except RuntimeError:  # a network without weights of that name
        settings = None
    if settings is None or not settings.has_weights:
        raise TimmWeightsError(f'timm {timm.__version__} has no weights called {name!r}')
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub's client raises errors of its own and those of several others
        place = f'https://huggingface.co/{settings.hf_hub_id}' if settings.hf_hub_id else settings.url
        reason = ' '.join(str(error).split())[:120]
        raise TimmWeightsError(
            f'the weights {name} are not in the cache and cannot be fetched ({type(error).__name__}: {reason}): put '
            f'model.safetensors of {place} into any folder and name that file'
        ) from error
