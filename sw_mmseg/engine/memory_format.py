"""Activations with the channels of a pixel side by side in memory, which tensor cores and many CPU kernels prefer.

An option of a config, `custom_hooks=[dict(type='ChannelsLastHook')]`, beside `--amp` and `compile=True`. It moves
values, and changes none.
"""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from sw_mmseg.models.wrappers import unwrap

__all__ = ['ChannelsLastHook']


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Weights of convolutions, and the images that enter `part`, in channels-last format.

    Args:
        part: the part of the model that images enter first.

    Raises:
        ValueError: when training or testing begins, the model has no such part.
    """

    def __init__(self, part: str = 'backbone') -> None:
        self.part = part
        self._converts: nn.Module | None = None

    def before_run(self, runner: Runner) -> None:
        """Converts the model, once."""
        model = unwrap(runner.model)
        entry = getattr(model, self.part, None)
        if not isinstance(entry, nn.Module):
            raise ValueError(
                f'ChannelsLastHook: {type(model).__name__} has no part {self.part!r}, but '
                f'{[name for name, _ in model.named_children()]}'
            )
        model.to(memory_format=torch.channels_last)
        if self._converts is not entry:
            entry.register_forward_pre_hook(_channels_last)
            self._converts = entry


def _channels_last(_: nn.Module, inputs: tuple) -> tuple:
    return tuple(
        x.contiguous(memory_format=torch.channels_last) if isinstance(x, Tensor) and x.ndim == 4 else x for x in inputs
    )
