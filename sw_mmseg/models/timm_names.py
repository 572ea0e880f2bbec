"""What timm knows of a network by its name, without its weights: its full name, its maps, the pixels it expects."""

from __future__ import annotations

from typing import NamedTuple

import torch

from sw_mmseg.models.timm_features import build_timm

__all__ = ['Looks', 'full_timm_name', 'looks_of_timm']

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Looks(NamedTuple):
    """Channels of the maps, whether these are tokens, mean and deviation of the pixels that are expected, 0 to 1."""

    channels: tuple[int, ...]
    tokens: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


def full_timm_name(word: str) -> str | None:
    """A name of timm with that of its weights, the default ones where `word` names none ('resnet50.a1_in1k' of
    'resnet50'); None where timm is not installed, or has no such network or weights."""
    try:
        import timm
    except ImportError:
        return None
    network = word.partition('.')[0]
    if not timm.is_model(network):
        return None
    if '.' in word:
        return word if word in timm.list_pretrained(f'{network}*') else None
    settings = timm.get_pretrained_cfg(word, allow_unregistered=True)
    return f'{word}.{settings.tag}' if settings is not None and settings.tag else word


def looks_of_timm(name: str) -> Looks:
    """Raises ValueError where the network gives neither maps nor tokens."""
    import timm

    with torch.device('meta'):
        _, channels, tokens = build_timm(name)
    settings = timm.get_pretrained_cfg(name, allow_unregistered=True)
    mean, std = (settings.mean, settings.std) if settings is not None else IMAGENET
    return Looks(channels, tokens, tuple(mean), tuple(std))
