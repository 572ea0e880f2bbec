"""Entropy minimisation (MinEnt of Vu et al., "ADVENT", CVPR 2019): predictions on the target are made decided.

One iteration, for every level i of the network:

    L_seg = sum_i lambda_seg_i CE(S_i(x_s), y_s)       source images and labels
    L_ent = sum_i lambda_ent_i mean E(S_i(x_t))        target images, no labels; E is the normalised entropy of a pixel

and one step of the segmentor S on their sum. Logits enter E at image resolution, so that each pixel is a vote. FDA
(Yang and Soatto, CVPR 2020) trains the same way with a robust penalty of the entropy and sources in the target's style.

Departures: the paper's priors on class ratios, which it adds for some data sets, are left out. Where target images of
one batch differ in size, padding takes part in the mean, as it does in AdaptSegNet's maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import Maps
from sw_mmseg.adaptation.levels import Level, LevelLosses, MultiLevelAdaptation
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.step_log import LevelLog, TargetLog
from sw_mmseg.openmmlab import accumulate

__all__ = ['EntropyLevel', 'EntropyLevelLog', 'EntropyLog', 'EntropyMinimization']


@dataclass(frozen=True)
class EntropyLevel(Level):
    """One level at which outputs are supervised and made decided."""

    lambda_ent: float = 0.001


@dataclass(frozen=True, eq=False)
class EntropyLevelLog(LevelLog):
    """Of one level: the penalty, and the target's mean normalised entropy (0 to 1), which it is without `robust`."""

    loss_ent: Tensor
    entropy: Tensor


@dataclass(frozen=True, eq=False)
class EntropyLog(TargetLog):
    """Of one iteration of entropy minimisation."""

    levels: Mapping[str, EntropyLevelLog]


@MODELS.register_module()
class EntropyMinimization(MultiLevelAdaptation):
    """A segmentor that learns labels on the source and decidedness on the target; predicts as its segmentor does.

    Args:
        loss_entropy: config of an `EntropyLoss`.
        settings: those of `AdaptationSettings`; levels are dicts of `EntropyLevel`.

    Logged: see `EntropyLog`.
    """

    level_type = EntropyLevel
    levels: Sequence[EntropyLevel]

    def __init__(self, loss_entropy: dict | None = None, **settings: Any) -> None:
        super().__init__(AdaptationSettings(**settings))
        self.loss_entropy = MODELS.build(loss_entropy or {'type': 'EntropyLoss'})

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> EntropyLog:
        """One iteration on a two-domain batch."""
        batch = self.data_preprocessor(data, True)
        source, target = batch['source'], batch['target']['inputs']
        segmentor = optim_wrapper['segmentor']

        # 1. Learn to segment: source images, source labels.
        with self.domain_pass(segmentor, 'source'):
            logits = self.segmentor(source['inputs'], mode='levels')
            supervised = self.segmentation_loss(logits, source['data_samples'])
        accumulate(segmentor, supervised.total)

        # 2. Decide for a class in every pixel of the target, whichever it is.
        with self.domain_pass(segmentor, 'target'):
            logits = self.segmentor(target, mode='levels')
            undecided = self.entropy_loss(self.upsampled(logits, target))
        segmentor.update_params(undecided.total)
        return EntropyLog(
            target_classes=self.classes_seen(logits),
            levels={
                level.head: EntropyLevelLog(
                    supervised.values[level.head],
                    supervised.watched[level.head],
                    undecided.values[level.head],
                    undecided.watched[level.head],
                )
                for level in self.levels
            },
        )

    def entropy_loss(self, logits: Maps) -> LevelLosses:
        """L_ent of the formula above, from logits at image resolution; entropies beside it."""
        losses, entropies = {}, {}
        for level in self.levels:
            losses[level.head], entropies[level.head] = self.loss_entropy(logits[level.head])
        return LevelLosses.of(losses, {level.head: level.lambda_ent for level in self.levels}, entropies)
