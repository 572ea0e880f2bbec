"""AdaptSegNet: adversarial alignment of a segmentation network's outputs (the trainer of Section 4.3, Table 6).

One iteration, for every level i of the network (DeepLab-v2 on VGG16 has one; on ResNet101, two):

    L_seg = sum_i lambda_seg_i CE(S_i(x_s), y_s)              source images and labels
    L_adv = sum_i lambda_adv_i BCE(D_i(softmax S_i(x_t)), 0)  target images, no labels: be taken for the source
    L_dis = sum_i (BCE(D_i(softmax S_i(x_s)), 0) + BCE(D_i(softmax S_i(x_t)), 1)) / 2

The segmentor S takes one step on L_seg + L_adv, then the discriminators D one on L_dis, whose inputs are detached.
Source is 0 and target 1. Softmax maps enter D at image resolution. L_dis is halved, so that ln 2 = 0.693 is chance.

Which domain's images move running statistics is explicit here (`statistics_from`, see statistics.py). lambda_adv = 0
skips nothing: target images still pass forward, as the policy wants them to, and discriminators still train; without
the policy 'source' that is not source-only training. For the latter use mmseg's plain encoder-decoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import Maps, detach, unwrap, without_gradient
from sw_mmseg.adaptation.levels import Level, LevelLosses, MultiLevelAdaptation
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.step_log import LevelLog, TargetLog
from sw_mmseg.domains import DOMAINS
from sw_mmseg.losses import SOURCE, TARGET
from sw_mmseg.models import LevelDiscriminators
from sw_mmseg.openmmlab import accumulate

__all__ = ['AdaptSegNet', 'AdversarialLevel', 'AdversarialLevelLog', 'AdversarialLog', 'softmax_last']

LABELS = {'source': SOURCE, 'target': TARGET}


@dataclass(frozen=True)
class AdversarialLevel(Level):
    """One level at which outputs are supervised and aligned."""

    lambda_adv: float = 0.001


@dataclass(frozen=True, eq=False)
class AdversarialLevelLog(LevelLog):
    """Of one level: the losses of both players, how often the discriminator is right on either domain (0 to 1), and
    where a method measures it, the target's mean normalised entropy (0 to 1)."""

    loss_adv: Tensor
    loss_dis: Tensor
    dis_acc_source: Tensor
    dis_acc_target: Tensor
    entropy: Tensor | None = None


@dataclass(frozen=True, eq=False)
class AdversarialLog(TargetLog):
    """Of one adversarial iteration."""

    levels: Mapping[str, AdversarialLevelLog]


def softmax_last(logits: Tensor) -> Tensor:
    """`logits.softmax(1)` that keeps channels-last order, where torch's would leave it for a strided one.

    With the maps in this order the discriminators are cheaper on a CPU: `tools/benchmark/adaptation_step.py`.
    """
    return logits.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2)  # N C H W, as N H W C in memory


@MODELS.register_module()
class AdaptSegNet(MultiLevelAdaptation):
    """Segmentor, discriminators, and the step that trains both; predicts as its segmentor does.

    Args:
        discriminator: config of a discriminator; one is built for each level.
        loss_adversarial: config of an adversarial loss.
        settings: those of `AdaptationSettings`; levels are dicts of `AdversarialLevel`.

    Logged: see `AdversarialLog`.
    """

    level_type = AdversarialLevel
    levels: Sequence[AdversarialLevel]

    def __init__(self, discriminator: dict, loss_adversarial: dict | None = None, **settings: Any) -> None:
        super().__init__(AdaptationSettings(**settings))
        self.discriminator = LevelDiscriminators({level.head: MODELS.build(discriminator) for level in self.levels})
        self.loss_adversarial = MODELS.build(loss_adversarial or {'type': 'AdversarialLoss'})

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> AdversarialLog:
        """One iteration on a two-domain batch."""
        batch = self.data_preprocessor(data, True)
        source_images, target_images = (batch[domain]['inputs'] for domain in DOMAINS)
        segmentor, discriminator = optim_wrapper['segmentor'], optim_wrapper['discriminator']

        # 1. Learn to segment: source images, source labels.
        with self.domain_pass(segmentor, 'source'):
            source = self.segmentor(source_images, mode='levels')
            supervised = self.segmentation_loss(source, batch['source']['data_samples'])
        accumulate(segmentor, supervised.total)

        # 2. Segment the target so that it is taken for the source; the discriminators only pass the gradient on.
        with self.domain_pass(segmentor, 'target'):
            logits = self.segmentor(target_images, mode='levels')
            target = self.judged(logits, target_images)
            adversarial = self.adversarial_loss(target)
        segmentor.update_params(adversarial.total)

        # 3. Learn to tell the domains apart, from predictions that carry no gradient back.
        with discriminator.optim_context(self.discriminator):
            on_source = self.discrimination_loss(self.judged(detach(source), source_images), 'source')
        accumulate(discriminator, on_source.total)
        with discriminator.optim_context(self.discriminator):
            on_target = self.discrimination_loss(detach(target), 'target')
        discriminator.update_params(on_target.total)
        return self.log(supervised, adversarial, on_source, on_target, logits)

    def adversarial_loss(self, maps: Maps) -> LevelLosses:
        """L_adv: the target's maps, judged against the source's label. Gives the discriminators no gradient."""
        with without_gradient(unwrap(self.discriminator)) as discriminator:
            scores = discriminator(maps)
        losses = {level.head: self.loss_adversarial(scores[level.head], SOURCE) for level in self.levels}
        return LevelLosses.of(losses, {level.head: level.lambda_adv for level in self.levels})

    def discrimination_loss(self, maps: Maps, domain: str) -> LevelLosses:
        """The half of L_dis that `domain` contributes, and the discriminators' accuracy; `maps` are detached."""
        scores, label, heads = self.discriminator(maps), LABELS[domain], [level.head for level in self.levels]
        losses = {head: self.loss_adversarial(scores[head], label) / 2 for head in heads}
        accuracies = {head: self.loss_adversarial.accuracy(scores[head], label) for head in heads}
        return LevelLosses.of(losses, dict.fromkeys(heads, 1.0), accuracies)

    def log(
        self,
        supervised: LevelLosses,
        adversarial: LevelLosses,
        on_source: LevelLosses,
        on_target: LevelLosses,
        logits: Maps,
    ) -> AdversarialLog:
        """What the iteration came to; `logits` are the target's."""
        return AdversarialLog(
            target_classes=self.classes_seen(logits),
            levels={
                level.head: AdversarialLevelLog(
                    loss_seg=supervised.values[level.head],
                    acc_seg=supervised.watched[level.head],
                    loss_adv=adversarial.values[level.head],
                    loss_dis=on_source.values[level.head] + on_target.values[level.head],
                    dis_acc_source=on_source.watched[level.head],
                    dis_acc_target=on_target.watched[level.head],
                    entropy=adversarial.watched.get(level.head),
                )
                for level in self.levels
            },
        )

    def judged(self, logits: Maps, images: Tensor) -> Maps:
        """What the discriminators see of logits: their softmax at the size of the images."""
        return {name: softmax_last(value) for name, value in self.upsampled(logits, images).items()}
