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

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from sw_mmseg.adaptation.checkpoints import accept_other_checkpoints
from sw_mmseg.adaptation.statistics import DOMAINS, DomainStatistics
from sw_mmseg.losses import SOURCE, TARGET
from sw_mmseg.models import LevelDiscriminators

LABELS = {'source': SOURCE, 'target': TARGET}
Maps = dict[str, Tensor]  # by level: N classes h w


@dataclass(frozen=True)
class Level:
    """One level at which outputs are supervised and aligned: a head's name and the weights of its losses."""

    head: str
    lambda_seg: float = 1.0
    lambda_adv: float = 0.001


def unwrap(module: nn.Module) -> nn.Module:
    """The module inside a DistributedDataParallel wrapper, or the module."""
    return module.module if is_model_wrapper(module) else module


@contextmanager
def without_gradient(module: nn.Module) -> Iterator[nn.Module]:
    """Inside, forwards of `module` pass gradients through to their inputs and give its parameters none."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield module
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def accumulate(wrapper: OptimWrapper, loss: Tensor) -> None:
    """Adds the gradient of `loss` to the update that the wrapper's next `update_params` makes.

    A wrapper counts every backward as an iteration (of which `accumulative_counts` make an update). This one is a
    part of an iteration, so it is taken off the count again. Two backwards keep one graph alive at a time, not two.
    """
    wrapper.backward(wrapper.scale_loss(loss))
    wrapper._inner_count -= 1


def softmax_last(logits: Tensor) -> Tensor:
    """`logits.softmax(1)` that keeps channels-last order, where torch's would leave it for a strided one.

    With the maps in this order the discriminators are cheaper on a CPU: `tools/benchmark/adaptation_step.py`.
    """
    return logits.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2)  # N C H W, as N H W C in memory


@MODELS.register_module()
class AdaptSegNet(BaseModel):
    """Segmentor, discriminators, and the step that trains both; predicts as its segmentor does.

    Args:
        segmentor: config of a `MultiLevelSegmentor`.
        discriminator: config of a discriminator; one is built for each level.
        levels: dicts of `Level`, the main head first. Every head of the segmentor has to be a level.
        loss_adversarial: config of an adversarial loss.
        statistics_from: whose images move running statistics: 'source', 'target', 'both', 'separate' or 'frozen'.
        evaluate_with: under 'separate', whose statistics predictions use: 'target' or 'source'.
        data_preprocessor: config of a `DomainPreprocessor`.
        init_cfg: as in every mmengine model.

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
        super().__init__(MODELS.build(data_preprocessor or {'type': 'DomainPreprocessor'}), init_cfg)
        self.segmentor = MODELS.build(segmentor)
        self.align_corners = self.segmentor.align_corners
        self.levels = [Level(**level) for level in levels]
        names = [level.head for level in self.levels]
        if len(set(names)) != len(names) or set(names) != set(self.segmentor.heads()):
            raise ValueError(f'levels must name each head of the segmentor once: heads {list(self.segmentor.heads())}, '
                             f'levels {names}')
        self.discriminator = LevelDiscriminators({name: MODELS.build(discriminator) for name in names})
        self.loss_adversarial = MODELS.build(loss_adversarial or {'type': 'AdversarialLoss'})
        self.statistics = DomainStatistics(self.segmentor, statistics_from)
        if evaluate_with not in DOMAINS or (evaluate_with == 'source' and statistics_from != 'separate'):
            raise ValueError(f"evaluate_with must be one of {DOMAINS}, and 'source' needs statistics_from='separate'; "
                             f'got {evaluate_with!r} with {statistics_from!r}')
        self.evaluate_with = evaluate_with
        self.register_load_state_dict_pre_hook(accept_other_checkpoints)

    def init_weights(self) -> None:
        super().init_weights()
        self.statistics.copy_from(unwrap(self.segmentor))

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
        heads, total = unwrap(self.segmentor).heads(), 0.0
        for level in self.levels:
            losses = heads[level.head].loss_by_feat(logits[level.head], data_samples)
            loss = sum(value for name, value in losses.items() if 'loss' in name)
            self._log(log, level, 'loss_seg', loss)
            self._log(log, level, 'acc_seg', losses['acc_seg'])
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
        heads, size = unwrap(self.segmentor).heads(), images.shape[-2:]
        return {
            name: softmax_last(F.interpolate(
                value.contiguous(memory_format=torch.channels_last), size, mode='bilinear',
                align_corners=heads[name].align_corners))
            for name, value in logits.items()
        }

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """The segmentor's 'tensor', 'levels' or 'predict'.

        Raises:
            RuntimeError: mode 'loss': two networks with opposed losses have no single one; `train_step` trains them.
        """
        if mode == 'loss':
            raise RuntimeError("AdaptSegNet has no mode 'loss': it trains in train_step, on two-domain batches")
        segmentor = unwrap(self.segmentor)
        if self.evaluate_with == 'source':
            with self.statistics.set_of(segmentor, 'source'):
                return segmentor(inputs, data_samples, mode)
        return segmentor(inputs, data_samples, mode)

    def heads(self) -> dict[str, nn.Module]:
        """The segmentor's heads by level name."""
        return unwrap(self.segmentor).heads()

    def _log(self, log: dict[str, Tensor], level: Level, name: str, value: Tensor) -> None:
        key = name if level is self.levels[0] else f'{level.head}.{name}'
        log[key] = log[key] + value.detach() if key in log else value.detach()


def detach(maps: Maps) -> Maps:
    """The same maps without their history."""
    return {name: value.detach() for name, value in maps.items()}
