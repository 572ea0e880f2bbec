"""Class-balanced self-training without the source: of a trained network and target images alone.

The network S starts as it was given. In rounds, as in cbst.py, it labels the target once, and keeps to these labels
until the next round; the loss on the source is absent:

    L = lambda CE(S(disturb x_t), disturb y_t)

So the given network is the teacher of the first round, and a fixed one: what it was sure of is what there is to learn
from. SHOT (Liang, Hu and Feng, 2020) is the first of such methods; the labels are those of CBST, class by class, since
nothing else keeps a rare class alive when no source image shows it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.cbst import ClassBalancedSelfTraining
from sw_mmseg.adaptation.step_log import StepLog

__all__ = ['SourceFreeLog', 'SourceFreeSelfTraining']


@dataclass(frozen=True, eq=False)
class SourceFreeLog(StepLog):
    """Of one iteration: the main head's loss on target images, the share of their pixels with a label, and the batch's
    number of such classes."""

    loss_target: Tensor
    pseudo_share: Tensor
    pseudo_classes: Tensor


@MODELS.register_module()
class SourceFreeSelfTraining(ClassBalancedSelfTraining):
    """Segmentor, the rounds, and the step; batches are of one domain, the target (`TargetAlone`).

    Args:
        settings: as of `ClassBalancedSelfTraining`, without `class_mix` and `warmup`: the first round begins at once.

    Logged: see `SourceFreeLog`.
    """

    def __init__(self, **settings: Any) -> None:
        if settings.pop('warmup', 0):
            raise ValueError('warmup is training on the source alone, which there is none of: leave it at 0')
        if settings.get('class_mix'):
            raise ValueError('class_mix pastes pieces of labelled source images, which there are none of: leave it out')
        super().__init__(warmup=0, **settings)

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> SourceFreeLog:  # type: ignore[override]
        """One iteration on a batch of target images."""
        batch, segmentor = self.data_preprocessor(data, True), optim_wrapper['segmentor']
        self.iteration += 1
        labels = self.labels_of(batch) if int(self.round) else self.guess(batch['inputs'])
        images, labels = self.disturb(batch['inputs'], labels)
        with self.domain_pass(segmentor, 'target'):
            taught = self.target_loss(self.segmentor(images, mode='levels'), labels)
        segmentor.update_params(taught.total)
        known = self.known(labels)
        classes = torch.tensor(float(len(labels[known].unique())), device=labels.device)
        return SourceFreeLog({}, taught.values[self.levels[0].head], known.float().mean(), classes)

    @torch.no_grad()
    def guess(self, images: Tensor) -> Tensor:
        """Labels (N, H, W) as the network makes them now: where nothing begins rounds, as when steps are timed."""
        logits = self.upsampled(self.segmentor(images, mode='levels'), images)
        return logits[self.levels[0].head].argmax(1)
