"""Entropy minimisation (MinEnt of Vu et al., "ADVENT", CVPR 2019): predictions on the target are made decided.

One iteration, for every level i of the network:

    L_seg = sum_i lambda_seg_i CE(S_i(x_s), y_s)       source images and labels
    L_ent = sum_i lambda_ent_i mean E(S_i(x_t))        target images, no labels; E is the normalised entropy of a pixel

and one step of the segmentor S on their sum. Logits enter E at image resolution, so that each pixel is a vote. FDA
(Yang and Soatto, CVPR 2020) trains the same way with a robust penalty of the entropy and sources in the target's style.

Departures: the paper's priors on class ratios, which it adds for some data sets, are left out. Where target images of
one batch differ in size, padding takes part in the mean, as it does in AdaptSegNet's maps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import Maps, unwrap
from sw_mmseg.adaptation.levels import Level, MultiLevelAdaptation
from sw_mmseg.openmmlab import accumulate


@dataclass(frozen=True)
class EntropyLevel(Level):
    """One level at which outputs are supervised and made decided."""

    lambda_ent: float = 0.001


@MODELS.register_module()
class EntropyMinimization(MultiLevelAdaptation):
    """A segmentor that learns labels on the source and decidedness on the target; predicts as its segmentor does.

    Args:
        segmentor: config of a `MultiLevelSegmentor`.
        levels: dicts of `EntropyLevel`, the main head first. Every head of the segmentor has to be a level.
        loss_entropy: config of an `EntropyLoss`.
        statistics_from, evaluate_with, data_preprocessor, init_cfg: of `DomainAdaptation`.

    Logged: `loss_seg`, `acc_seg`, `loss_ent` and `entropy`, the target's mean normalised entropy (0 to 1), of the main
    level, and the same with a head's name in front for the others; `target_classes`. Losses are unweighted.
    """

    level_type = EntropyLevel

    def __init__(
        self,
        segmentor: dict,
        levels: Sequence[dict] = ({'head': 'decode_head'},),
        loss_entropy: dict | None = None,
        statistics_from: str = 'target',
        evaluate_with: str = 'target',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(segmentor, levels, statistics_from, evaluate_with, data_preprocessor, init_cfg)
        self.loss_entropy = MODELS.build(loss_entropy or {'type': 'EntropyLoss'})

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a two-domain batch; returns what to log."""
        batch = self.data_preprocessor(data, True)
        source, target = batch['source'], batch['target']['inputs']
        segmentor = optim_wrapper['segmentor']
        log: dict[str, Tensor] = {}

        # 1. Learn to segment: source images, source labels.
        with segmentor.optim_context(self.segmentor), self.statistics.of(unwrap(self.segmentor), 'source'):
            logits = self.segmentor(source['inputs'], mode='levels')
            loss = self.segmentation_loss(logits, source['data_samples'], log)
        accumulate(segmentor, loss)

        # 2. Decide on the target, whatever for.
        with segmentor.optim_context(self.segmentor), self.statistics.of(unwrap(self.segmentor), 'target'):
            logits = self.segmentor(target, mode='levels')
            loss = self.entropy_loss(self.upsampled(logits, target), log)
        segmentor.update_params(loss)
        self.watch(logits, log)
        return log

    def entropy_loss(self, logits: Maps, log: dict[str, Tensor]) -> Tensor:
        """L_ent of the formula above, from logits at image resolution."""
        total = 0.0
        for level in self.levels:
            loss, entropy = self.loss_entropy(logits[level.head])
            self._log(log, level, 'loss_ent', loss)
            self._log(log, level, 'entropy', entropy)
            total = total + level.lambda_ent * loss
        return total
