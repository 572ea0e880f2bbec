"""AdvEnt (Vu et al., "ADVENT", CVPR 2019): AdaptSegNet whose discriminators see where a prediction is undecided.

Instead of softmax maps p they are given weighted self-information, -p log p / log K for each of K classes: the domains
are told apart, and made alike, by their structure of doubt. All else is AdaptSegNet's step; the paper's weights are
lambda_adv 0.001 for the main level and 0.0002 for the auxiliary one.
"""

from __future__ import annotations

from dataclasses import replace

from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.adaptsegnet import AdaptSegNet
from sw_mmseg.adaptation.base import Maps
from sw_mmseg.adaptation.levels import LevelLosses
from sw_mmseg.losses import weighted_self_information

__all__ = ['AdvEnt']


@MODELS.register_module()
class AdvEnt(AdaptSegNet):
    """Arguments and log of `AdaptSegNet`, with the target's `entropy`."""

    def judged(self, logits: Maps, images: Tensor) -> Maps:
        """What the discriminators see of logits: weighted self-information at the size of the images."""
        return {name: weighted_self_information(value) for name, value in self.upsampled(logits, images).items()}

    def adversarial_loss(self, maps: Maps) -> LevelLosses:
        """AdaptSegNet's; the target's maps add up to its entropy."""
        entropies = {head: value.detach().sum(1).mean() for head, value in maps.items()}
        return replace(super().adversarial_loss(maps), watched=entropies)
