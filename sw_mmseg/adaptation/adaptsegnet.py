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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import Maps, detach, unwrap, without_gradient
from sw_mmseg.adaptation.levels import Level, MultiLevelAdaptation
from sw_mmseg.adaptation.statistics import DOMAINS
from sw_mmseg.losses import SOURCE, TARGET
from sw_mmseg.models import LevelDiscriminators
from sw_mmseg.openmmlab import accumulate

LABELS = {'source': SOURCE, 'target': TARGET}


@dataclass(frozen=True)
class AdversarialLevel(Level):
    """One level at which outputs are supervised and aligned."""

    lambda_adv: float = 0.001


def softmax_last(logits: Tensor) -> Tensor:
    """`logits.softmax(1)` that keeps channels-last order, where torch's would leave it for a strided one.

    With the maps in this order the discriminators are cheaper on a CPU: `tools/benchmark/adaptation_step.py`.
    """
    return logits.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2)  # N C H W, as N H W C in memory


@MODELS.register_module()
class AdaptSegNet(MultiLevelAdaptation):
    """Segmentor, discriminators, and the step that trains both; predicts as its segmentor does.

    Args:
        segmentor: config of a `MultiLevelSegmentor`.
        discriminator: config of a discriminator; one is built for each level.
        levels: dicts of `AdversarialLevel`, the main head first. Every head of the segmentor has to be a level.
        loss_adversarial: config of an adversarial loss.
        statistics_from, evaluate_with, data_preprocessor, init_cfg: of `DomainAdaptation`.

    Logged: `loss_seg`, `acc_seg`, `loss_adv`, `loss_dis`, `dis_acc_source`, `dis_acc_target` of the main level, and
    the same with a head's name in front, e.g. `auxiliary_head.loss_adv`, for the others; `target_classes`. Losses are
    unweighted.
    """

    level_type = AdversarialLevel

    def __init__(
        self,
        segmentor: dict,
        discriminator: dict,
        levels: Sequence[dict] = ({'head': 'decode_head'},),
        loss_adversarial: dict | None = None,
        statistics_from: str = 'target',
        evaluate_with: str = 'target',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(segmentor, levels, statistics_from, evaluate_with, data_preprocessor, init_cfg)
        self.discriminator = LevelDiscriminators({level.head: MODELS.build(discriminator) for level in self.levels})
        self.loss_adversarial = MODELS.build(loss_adversarial or {'type': 'AdversarialLoss'})

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a two-domain batch; returns what to log."""
        batch = self.data_preprocessor(data, True)
        images = {domain: batch[domain]['inputs'] for domain in DOMAINS}
        segmentor, discriminator = optim_wrapper['segmentor'], optim_wrapper['discriminator']
        log: dict[str, Tensor] = {}

        # 1. Learn to segment: source images, source labels.
        with segmentor.optim_context(self.segmentor), self.statistics.of(unwrap(self.segmentor), 'source'):
            source = self.segmentor(images['source'], mode='levels')
            loss = self.segmentation_loss(source, batch['source']['data_samples'], log)
        accumulate(segmentor, loss)

        # 2. Segment the target so that it is taken for the source; the discriminators only pass the gradient on.
        with segmentor.optim_context(self.segmentor), self.statistics.of(unwrap(self.segmentor), 'target'):
            logits = self.segmentor(images['target'], mode='levels')
            target = self.judged(logits, images['target'])
            loss = self.adversarial_loss(target, log)
        segmentor.update_params(loss)
        self.watch(logits, log)

        # 3. Learn to tell the domains apart, from predictions that carry no gradient back.
        with discriminator.optim_context(self.discriminator):
            loss = self.discrimination_loss(self.judged(detach(source), images['source']), 'source', log)
        accumulate(discriminator, loss)
        with discriminator.optim_context(self.discriminator):
            loss = self.discrimination_loss(detach(target), 'target', log)
        discriminator.update_params(loss)
        return log

    def adversarial_loss(self, maps: Maps, log: dict[str, Tensor]) -> Tensor:
        """L_adv: the target's maps, judged against the source's label. Gives the discriminators no gradient."""
        with without_gradient(unwrap(self.discriminator)) as discriminator:
            scores = discriminator(maps)
        total = 0.0
        for level in self.levels:
            loss = self.loss_adversarial(scores[level.head], SOURCE)
            self._log(log, level, 'loss_adv', loss)
            total = total + level.lambda_adv * loss
        return total

    def discrimination_loss(self, maps: Maps, domain: str, log: dict[str, Tensor]) -> Tensor:
        """The half of L_dis that `domain` contributes; `maps` are detached."""
        scores, total = self.discriminator(maps), 0.0
        for level in self.levels:
            loss = self.loss_adversarial(scores[level.head], LABELS[domain]) / 2
            self._log(log, level, 'loss_dis', loss)
            accuracy = self.loss_adversarial.accuracy(scores[level.head], LABELS[domain])
            self._log(log, level, f'dis_acc_{domain}', accuracy)
            total = total + loss
        return total

    def judged(self, logits: Maps, images: Tensor) -> Maps:
        """What the discriminators see of logits: their softmax at the size of the images."""
        return {name: softmax_last(value) for name, value in self.upsampled(logits, images).items()}
