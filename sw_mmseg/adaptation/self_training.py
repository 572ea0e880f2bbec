"""Self-training with a mean teacher: DACS (Tranheden et al., 2021), and on top of it MIC (Hoyer et al., 2023).

One iteration, with T the running average of the segmentor S:

    y_t, q_t = T(x_t)                               the teacher's labels of target images, its share of sure pixels
    x_m, y_m, w_m = mix(x_s, y_s, 1; x_t, y_t, q_t)  half of the source's classes pasted onto the target image
    L = CE(S(x_s), y_s) + lambda (w_m CE(S(augment x_m), y_m) + mu q_t CE(S(mask augment x_t), y_t))

and S takes one step on L; mu is 0 without masking. DAFormer (Hoyer et al., 2022) is the same with its network, its
optimiser, rare-class sampling of the source and a feature distance added to L (feature_distance.py). Nothing here knows
the network: any mmseg segmentor will do.

Running statistics (`statistics_from`): mixed images count as target, since that is the domain the method moves towards;
they are half source, though, and jittered, so that after training statistics re-estimated on clean target images
(`estimate_statistics`) describe the target better. Masked images are no domain's and move none. The teacher averages
the student's; what it labels with is `teacher_statistics`, see teacher.py.

Departures: one share q an image, not a batch (pseudo_labels.py); `warmup`; ignored source pixels are never pasted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import Maps
from sw_mmseg.adaptation.class_mix import class_masks, paste, truth
from sw_mmseg.adaptation.feature_distance import FeatureDistance
from sw_mmseg.adaptation.levels import LevelLosses, MultiLevelAdaptation
from sw_mmseg.adaptation.masking import Masking
from sw_mmseg.adaptation.photometric import Photometric
from sw_mmseg.adaptation.pseudo_labels import TargetLabels, pixel_weights, pseudo_labels, weighted_loss
from sw_mmseg.adaptation.randomness import image_generators
from sw_mmseg.adaptation.self_training_log import SelfTrainingLevelLog, SelfTrainingLog
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.teacher import MeanTeacher
from sw_mmseg.domains import DOMAINS
from sw_mmseg.models.wrappers import unwrap
from sw_mmseg.openmmlab import accumulate

__all__ = ['SelfTraining']

EVALUATED = ('student', 'teacher')


@MODELS.register_module()
class SelfTraining(MultiLevelAdaptation):
    """Segmentor, its mean teacher, and the step that trains with both.

    Args:
        alpha: share of the old average that the teacher keeps each iteration, reached as 1 - 1/(i + 1).
        threshold: tau, the probability above which a pixel counts as sure.
        target_weight: lambda, of what is learnt from pseudo-labels.
        warmup: iterations in which lambda is 0. Everything else happens, so that statistics and teacher are at work.
        augmentation: arguments of `Photometric` for mixed and masked images, which must be RGB; None for none.
        masking: arguments of `Masking`, which adds MIC; or None.
        feature_distance: arguments of `FeatureDistance` but the backbone, which keeps it near its start; or None.
        ignore_rows: first and last rows of a target image of which no pseudo-label is believed.
        teacher_statistics: 'batch' or 'running', see teacher.py.
        evaluate_model: whose predictions are evaluated: 'student' or 'teacher'.
        settings: those of `AdaptationSettings`; levels are dicts of `Level`, whose `lambda_seg` weighs every loss of
            the head. The main head makes the pseudo-labels, all heads learn from them.

    Logged: see `SelfTrainingLog`.
    """

    teacher: MeanTeacher
    feature_distance: FeatureDistance | None
    seed: Tensor

    def __init__(
        self,
        alpha: float = 0.99,
        threshold: float = 0.968,
        target_weight: float = 1.0,
        warmup: int = 0,
        augmentation: dict | None = None,
        masking: dict | None = None,
        feature_distance: dict | None = None,
        ignore_rows: tuple[int, int] = (0, 0),
        teacher_statistics: str = 'batch',
        evaluate_model: str = 'student',
        **settings: Any,
    ) -> None:
        super().__init__(AdaptationSettings(**settings))
        if evaluate_model not in EVALUATED or (evaluate_model == 'teacher' and self.evaluate_with == 'source'):
            raise ValueError(
                f"evaluate_model must be one of {EVALUATED}, and the teacher has no source's set of "
                f'statistics; got {evaluate_model!r} with evaluate_with={self.evaluate_with!r}'
            )
        if self.statistics.policy == 'frozen' and teacher_statistics == 'batch':
            raise ValueError(
                "statistics_from='frozen' needs teacher_statistics='running': the teacher would see other "
                'features than the student'
            )
        self.teacher = MeanTeacher(self.segmentor, alpha, teacher_statistics)
        self.threshold, self.target_weight, self.warmup = threshold, target_weight, warmup
        self.augmentation = None if augmentation is None else Photometric(**augmentation)
        self.masking = None if masking is None else Masking(**masking)
        self.feature_distance = (
            None if feature_distance is None else FeatureDistance(self.segmentor.backbone, **feature_distance)
        )
        self.ignore_rows, self.evaluate_model = ignore_rows, evaluate_model
        self.register_buffer('seed', torch.tensor(self.run_seed))

    def init_weights(self) -> None:
        """Those of every part; the copy that features are compared with starts as the backbone."""
        super().init_weights()
        if self.feature_distance is not None:
            self.feature_distance.start_at(unwrap(self.segmentor).backbone)

    def restart(self) -> None:
        """Warms up anew, and the teacher begins as the student that was loaded."""
        super().restart()
        self.teacher.updates.zero_()

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> SelfTrainingLog:
        """One iteration on a two-domain batch."""
        source, target = self.prepare(data)
        segmentor, generators = optim_wrapper['segmentor'], self.generators(len(target))

        # 1. The teacher follows the student and labels the target.
        self.teacher.update(unwrap(self.segmentor))
        with segmentor.optim_context(self.teacher):
            pseudo = self.label(target)

        # 2. Learn from the source's labels.
        with self.domain_pass(segmentor, 'source'):
            supervised, distance = self.source_loss(source)
        accumulate(segmentor, supervised.total)

        # 3. Learn from target images with pieces of source images in them.
        images, labels, weights = self.mix(source, target, pseudo, generators)
        with self.domain_pass(segmentor, 'target'):
            mixed = self.target_loss(self.segmentor(images, mode='levels'), labels, weights)

        # 4. Learn to see what is hidden.
        if self.masking is None:
            segmentor.update_params(mixed.total)
            return self.log(supervised, mixed, None, pseudo, distance)
        accumulate(segmentor, mixed.total)
        with self.domain_pass(segmentor, None):
            images = self.masking(self.augment(target, generators['disturb']), generators['mask'])
            masked = self.target_loss(self.segmentor(images, mode='levels'), pseudo.labels, pseudo.weights)
        segmentor.update_params(self.masking.weight * masked.total)
        return self.log(supervised, mixed, masked, pseudo, distance)

    def prepare(self, data: dict[str, Any]) -> tuple[dict, Tensor]:
        """The source's side of a preprocessed batch, and the target's images.

        Raises:
            ValueError: images of the domains cannot be mixed.
        """
        batch = self.data_preprocessor(data, True)
        source, target = (tuple(batch[domain]['inputs'].shape) for domain in DOMAINS)
        if source != target:
            raise ValueError(
                f'mixing needs as many source as target images, of one size: source {source}, target '
                f'{target} in (N, 3, H, W). Crop both to one size in their pipelines'
            )
        return batch['source'], batch['target']['inputs']

    def source_loss(self, source: dict) -> tuple[LevelLosses, Tensor | None]:
        """What is learnt from the source's labels, and what must not be unlearnt: all losses, and the distance."""
        images, samples = source['inputs'], source['data_samples']
        if self.feature_distance is None:
            return self.segmentation_loss(self.segmentor(images, mode='levels'), samples), None
        logits, features = self.segmentor(images, mode='levels_and_features')
        distance = self.feature_distance(images, features, truth(source))
        supervised = self.segmentation_loss(logits, samples)
        total = supervised.total + self.feature_distance.weight * distance
        return replace(supervised, total=total), distance.detach()

    @torch.no_grad()
    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the teacher makes of preprocessed images: labels, confident pixels, share; see pseudo_labels.py."""
        logits = F.interpolate(
            self.teacher.logits(images), images.shape[-2:], mode='bilinear', align_corners=self.align_corners
        )
        return pseudo_labels(logits, self.threshold)

    def label(self, images: Tensor) -> TargetLabels:
        """The teacher's labels of target images, with the weights of their pixels."""
        labels, _, share = self.pseudo_labels(images)
        return TargetLabels(labels, pixel_weights(share, labels.shape[1:], self.ignore_rows), share)

    def mix(
        self, source: dict, target: Tensor, pseudo: TargetLabels, generators: dict[str, list]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images (N, 3, H, W), augmented, with labels and weights (N, H, W): some of the source's classes on target."""
        known = truth(source)
        masks = class_masks(known, generators['mix'], unwrap(self.segmentor).decode_head.ignore_index)
        images = self.augment(paste(masks, source['inputs'], target), generators['augment'])
        weights = paste(masks, torch.ones_like(pseudo.weights), pseudo.weights)
        return images, paste(masks, known, pseudo.labels), weights

    def augment(self, images: Tensor, generators: list[torch.Generator]) -> Tensor:
        """Strong augmentation of images as they come from the preprocessor; each draws from its own generator."""
        if self.augmentation is None:
            return images
        return self.augmentation(images, generators, self.data_preprocessor)

    def target_loss(self, logits: Maps, labels: Tensor, weights: Tensor) -> LevelLosses:
        """lambda times the weighted cross-entropy with labels (N, H, W) over all heads."""
        factor = self.target_weight if int(self.teacher.updates) > self.warmup else 0.0
        losses = {
            level.head: weighted_loss(self.heads()[level.head], logits[level.head], labels, weights)
            for level in self.levels
        }
        return LevelLosses.of(losses, {level.head: factor * level.lambda_seg for level in self.levels})

    def log(
        self,
        supervised: LevelLosses,
        mixed: LevelLosses,
        masked: LevelLosses | None,
        pseudo: TargetLabels,
        distance: Tensor | None,
    ) -> SelfTrainingLog:
        """What the iteration came to."""
        levels = {
            level.head: SelfTrainingLevelLog(
                loss_seg=supervised.values[level.head],
                acc_seg=supervised.watched[level.head],
                loss_mix=mixed.values[level.head],
                loss_mask=None if masked is None else masked.values[level.head],
            )
            for level in self.levels
        }
        classes = pseudo.share.new_tensor(len(pseudo.labels.unique()))
        return SelfTrainingLog(levels, pseudo.share.mean(), classes, distance)

    def generators(self, count: int) -> dict[str, list[torch.Generator]]:
        """By purpose, what each image of this process's batch draws from in this iteration."""
        seed, iteration = int(self.seed), int(self.teacher.updates)
        return {use: image_generators(use, seed, iteration, count) for use in ('mix', 'augment', 'disturb', 'mask')}

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """The evaluated model's 'tensor', 'levels' or 'predict'."""
        if self.evaluate_model == 'teacher' and mode != 'loss':
            return self.teacher(inputs, data_samples, mode)
        return super().forward(inputs, data_samples, mode)
