"""A mean teacher (Tarvainen & Valpola, 2017): the running average of a segmentor, which labels what has no labels.

After i updates at most alpha = min(1 - 1/(i + 1), alpha) of the old average is kept, as in DACS: the first update
copies, the next ones average equally, until alpha is reached. Parameters and running statistics are averaged alike,
counters are copied. mmengine's `MomentumAnnealingEMA` averages in the same way, but holds on to tensors that a later
move to a GPU replaces, and lets counters stand still.

Whose statistics the teacher labels with is a choice (`TEACHER_STATISTICS`):

    batch      of the batch that it labels, as in DACS and DAFormer, whose teachers stay in training mode. The default:
               what was averaged are statistics of source or mixed images, from which a clean target image differs
    running    the averaged running statistics, as in evaluation: the labels of an image then do not depend on its
               neighbours in the batch

Labelling never moves the teacher's own running statistics. Dropout and stochastic depth are always off (DAFormer).
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from sw_mmseg.adaptation.statistics import paused_statistics, running_layers

__all__ = ['MeanTeacher', 'batch_statistics']

TEACHER_STATISTICS = ('batch', 'running')


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Inside, the norms of `model`, which is in eval mode, use the statistics of their batch and keep none of them."""
    layers = list(running_layers(model).values())
    try:
        with paused_statistics(model):
            for layer in layers:
                layer.train()
            yield
    finally:
        for layer in layers:
            layer.eval()


class MeanTeacher(nn.Module):
    """The average of a segmentor's weights; always in eval mode, without gradients. Its state is all in buffers.

    Args:
        student: the segmentor, not wrapped; it is copied.
        alpha: share of the old average that an update keeps at last, in [0, 1).
        statistics: one of `TEACHER_STATISTICS`.
    """

    updates: Tensor

    def __init__(self, student: nn.Module, alpha: float = 0.99, statistics: str = 'batch') -> None:
        super().__init__()
        if not 0 <= alpha < 1:
            raise ValueError(f'alpha must lie in [0, 1), got {alpha}')
        if statistics not in TEACHER_STATISTICS:
            raise ValueError(f'teacher_statistics must be one of {TEACHER_STATISTICS}, got {statistics!r}')
        self.alpha, self.statistics = alpha, statistics
        self.network = copy.deepcopy(student).requires_grad_(False).eval()
        self.register_buffer('updates', torch.tensor(0))

    def train(self, mode: bool = True) -> 'MeanTeacher':
        """Stays in eval mode, whatever the model around it does."""
        return super().train(False)

    @torch.no_grad()
    def update(self, student: nn.Module) -> None:
        """Takes one step towards the student; the first is all the way."""
        keep = min(1 - 1 / (int(self.updates) + 1), self.alpha)
        new = student.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(new[name], 1 - keep)
            else:
                value.copy_(new[name])
        self.updates += 1

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Logits (N, K, h, w) of the main head, with the statistics that labels are made with."""
        with batch_statistics(self.network) if self.statistics == 'batch' else nullcontext():
            return self.network(images, mode='tensor')

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """The averaged segmentor as in evaluation: with running statistics."""
        return self.network(inputs, data_samples, mode)

    def extra_repr(self) -> str:
        """How slowly it follows."""
        return f'alpha={self.alpha}, statistics={self.statistics!r}'
