"""mmseg counts labelled pixels on the device, so that the training step of a segmentor can be a CUDA graph.

Its accuracy picks the labelled pixels by a mask, and its cross entropy with `avg_non_ignore` asks for their number: in
both the host waits for the GPU, in every step. Here masked values count as zero and the number stays a tensor. Values
are the same: equal to the last bit on a CPU, as long as float32 counts exactly (up to 2^24 correct pixels), and within
float32's rounding on a GPU, where division by a number is a product with its reciprocal.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sw_mmseg.openmmlab.change import Change, Replacements

__all__ = ['LABELLED_PIXELS']

LOSSES = 'mmseg.models.losses'
HEADS = 'mmseg.models.decode_heads'
HOLDERS = {
    'accuracy': (LOSSES, f'{LOSSES}.accuracy', *(f'{HEADS}.{head}_head' for head in ('decode', 'point', 'pid', 'ddr'))),
    'cross_entropy': (LOSSES, f'{LOSSES}.cross_entropy_loss'),
}
_ORIGINALS = Replacements()


def count_on_device() -> None:
    """Puts both functions wherever mmseg looks for them; networks that are built already keep their cross entropy."""
    for name, replacement in (('accuracy', _accuracy), ('cross_entropy', _cross_entropy)):
        holders = [importlib.import_module(holder) for holder in HOLDERS[name]]
        function = replacement(vars(holders[-1])[name])
        for holder in holders:
            _ORIGINALS.replace(holder, name, function)


def _accuracy(picking: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(picking)
    def accuracy(
        pred: Tensor,
        target: Tensor,
        topk: int | tuple[int, ...] = 1,
        thresh: float | None = None,
        ignore_index: int | None = None,
    ) -> Any:
        counts = (topk,) if isinstance(topk, int) else topk
        # nothing to wait for without a mask; what mmseg refuses, it refuses itself; and there are devices without fp64
        if ignore_index is None or not _fits(pred, target, counts) or pred.device.type == 'mps':
            return picking(pred, target, topk, thresh, ignore_index)
        scores, classes = pred.topk(max(counts), dim=1)
        correct = classes.transpose(0, 1) == target  # K N ...
        if thresh is not None:
            correct = correct & (scores > thresh).t()
        labelled = target != ignore_index
        correct = (correct & labelled).flatten(1).sum(1).cumsum(0)  # at most k guesses, k = 1 ... K
        eps = torch.finfo(torch.float32).eps  # where no pixel is labelled, all are right
        percent = (100 / (labelled.sum().double() + eps)).float()
        shares = [(correct[k - 1 : k].float() + eps) * percent for k in counts]
        return shares[0] if isinstance(topk, int) else shares

    return accuracy


def _fits(pred: Tensor, target: Tensor, counts: Any) -> bool:
    """Whether predictions (N, C, ...) are of targets (N, ...), and have classes enough."""
    if not isinstance(counts, tuple) or len(pred) == 0 or (len(pred), *pred.shape[2:]) != tuple(target.shape):
        return False
    return all(0 < count <= pred.shape[1] for count in counts)


def _cross_entropy(asking: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @functools.wraps(asking)
    def cross_entropy(
        pred: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        reduction: str = 'mean',
        avg_factor: float | Tensor | None = None,
        ignore_index: int = -100,
        avg_non_ignore: bool = False,
    ) -> Tensor:
        if avg_non_ignore and avg_factor is None and class_weight is None and reduction == 'mean':
            avg_factor = (label != ignore_index).sum()
        return asking(pred, label, weight, class_weight, reduction, avg_factor, ignore_index, avg_non_ignore)

    return cross_entropy


LABELLED_PIXELS = Change(
    name='labelled pixels of mmseg',
    effect='accuracy and cross_entropy of mmseg.models.losses count labelled pixels on the device',
    reason='the host waits for its GPU in every training step, and no CUDA graph can hold one',
    package='mmsegmentation',
    versions='1.2 to 1.4',
    apply=count_on_device,
    undo=_ORIGINALS.restore,
)
