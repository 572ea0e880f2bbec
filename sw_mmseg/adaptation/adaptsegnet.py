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

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import DomainAdaptation, Maps, accumulate, detach, unwrap, without_gradient
from sw_mmseg.adaptation.statistics import DOMAINS
from sw_mmseg.losses import SOURCE, TARGET
from sw_mmseg.models import LevelDiscriminators

LABELS = {'source': SOURCE, 'target': TARGET}


@dataclass(frozen=True)
class Level:
    """One level at which outputs are supervised and aligned: a head's name and the weights of its losses."""

    head: str
    lambda_seg: float = 1.0
    lambda_adv: float = 0.001


def softmax_last(logits: Tensor) -> Tensor:
    """`logits.softmax(1)` that keeps channels-last order, where torch's would leave it for a strided one.

    With the maps in this order the discriminators are cheaper on a CPU: `tools/benchmark/adaptation_step.py`.
    """
    return logits.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2)  # N C H W, as N H W C in memory


@MODELS.register_module()
class AdaptSegNet(DomainAdaptation):
    """Segmentor, discriminators, and the step that trains both; predicts as its segmentor does.

    Args:
        segmentor: config of a `MultiLevelSegmentor`.
        discriminator: config of a discriminator; one is built for each level.
        levels: dicts of `Level`, the main head first. Every head of the segmentor has to be a level.
        loss_adversarial: config of an adversarial loss.
        statistics_from, evaluate_with, data_preprocessor, init_cfg: of `DomainAdaptation`.

    Logged: `loss_seg`, `acc_seg`, `loss_adv`, `loss_dis`, `dis_acc_source`, `dis_acc_target` of the main level, and
    the same with a head's name in front, e.g. `auxiliary_head.loss_adv`, for the others. Losses are unweighted.
    """

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
        super().__init__(segmentor, statistics_from, evaluate_with, data_preprocessor, init_cfg)
        self.levels = [Level(**level) for level in levels]
        names = [level.head for level in self.levels]
        if len(set(names)) != len(names) or set(names) != set(self.segmentor.heads()):
            raise ValueError(f'levels must name each head of the segmentor once: heads {list(self.segmentor.heads())}, '
                             f'levels {names}')
        self.discriminator = LevelDiscriminators({name: MODELS.build(discriminator) for name in names})
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
            target = self.probabilities(self.segmentor(images['target'], mode='levels'), images['target'])
            loss = self.adversarial_loss(target, log)
        segmentor.update_params(loss)

        # 3. Learn to tell the domains apart, from predictions that carry no gradient back.
        with discriminator.optim_context(self.discriminator):
            loss = self.discrimination_loss(self.probabilities(detach(source), images['source']), 'source', log)
        accumulate(discriminator, loss)
        with discriminator.optim_context(self.discriminator):
            loss = self.discrimination_loss(detach(target), 'target', log)
        discriminator.update_params(loss)
        return log

    def segmentation_loss(self, logits: Maps, data_samples: list, log: dict[str, Tensor]) -> Tensor:
        """L_seg of the formula above, from logits at feature resolution."""
        total = 0.0
        for level in self.levels:
            loss, accuracy = self.supervised_loss(logits[level.head], data_samples, level.head)
            self._log(log, level, 'loss_seg', loss)
            self._log(log, level, 'acc_seg', accuracy)
            total = total + level.lambda_seg * loss
        return total

    def adversarial_loss(self, probabilities: Maps, log: dict[str, Tensor]) -> Tensor:
        """L_adv: the target's maps, judged against the source's label. Gives the discriminators no gradient."""
        with without_gradient(unwrap(self.discriminator)) as discriminator:
            scores = discriminator(probabilities)
        total = 0.0
        for level in self.levels:
            loss = self.loss_adversarial(scores[level.head], SOURCE)
            self._log(log, level, 'loss_adv', loss)
            total = total + level.lambda_adv * loss
        return total

    def discrimination_loss(self, probabilities: Maps, domain: str, log: dict[str, Tensor]) -> Tensor:
        """The half of L_dis that `domain` contributes; `probabilities` are detached."""
        scores, total = self.discriminator(probabilities), 0.0
        for level in self.levels:
            loss = self.loss_adversarial(scores[level.head], LABELS[domain]) / 2
            self._log(log, level, 'loss_dis', loss)
            accuracy = self.loss_adversarial.accuracy(scores[level.head], LABELS[domain])
            self._log(log, level, f'dis_acc_{domain}', accuracy)
            total = total + loss
        return total

    def probabilities(self, logits: Maps, images: Tensor) -> Maps:
        """Softmax of logits upsampled to the size of the images; channels lie last in memory, see `softmax_last`."""
        heads, size = self.heads(), images.shape[-2:]
        return {
            name: softmax_last(F.interpolate(
                value.contiguous(memory_format=torch.channels_last), size, mode='bilinear',
                align_corners=heads[name].align_corners))
            for name, value in logits.items()
        }

    def _log(self, log: dict[str, Tensor], level: Level, name: str, value: Tensor) -> None:
        key = name if level is self.levels[0] else f'{level.head}.{name}'
        log[key] = log[key] + value.detach() if key in log else value.detach()
