"""Class-balanced self-training in rounds (CBST: Zou et al., ECCV 2018).

First the network S learns from the source alone. Then, at the start of each round r = 1, 2, ...:

    running statistics are estimated anew on target images
    p_t = (S(x_t) + mirror S(mirror x_t)) / 2        for every target image, with those statistics
    y_t = argmax p_t where p_t is among the surest share rho_r of the pixels labelled so, over all images; else nothing

and until the next round, each iteration takes one step on

    L = CE(S(x_s), y_s) + lambda CE(S(disturb x_t), disturb y_t)

with rho_1 = 0.5 < rho_2 < ... The labels of a round are kept in files (`RoundFiles`), made by `begin_round`, which
`PseudoLabelRoundsHook` calls; everything else that a resumed run needs is in buffers. Source images are disturbed by
their data set's pipeline, target images here, since their labels must be turned with them.

With `class_mix`, half of the classes of a source image are pasted onto each disturbed target image, with their labels,
as DACS does (class_mix.py), and L has CE of the mixed image in place of the target's.

Departures: labels and thresholds (class_balance.py); mean over two mirrors instead of one pass; statistics; mixing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_rank
from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor

from sw_mmseg.adaptation.base import Maps, unwrap
from sw_mmseg.adaptation.cbst_log import ClassBalancedLevelLog, ClassBalancedLog, PseudoLabelError, RoundFiles
from sw_mmseg.adaptation.class_balance import class_manifest, keep_surest, surest_thresholds
from sw_mmseg.adaptation.class_mix import mix_classes, truth
from sw_mmseg.adaptation.levels import LevelLosses, MultiLevelAdaptation
from sw_mmseg.adaptation.photometric import Photometric
from sw_mmseg.adaptation.pseudo_labels import even_loss, weighted_loss
from sw_mmseg.adaptation.randomness import image_generators
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.target_labelling import estimate_on, label_share
from sw_mmseg.adaptation.views import random_views
from sw_mmseg.openmmlab import accumulate

__all__ = ['ClassBalancedSelfTraining']

MOVING = ('target', 'both', 'separate')  # policies under which the network's statistics are the target's to move


@MODELS.register_module()
class ClassBalancedSelfTraining(MultiLevelAdaptation):
    """Segmentor, the rounds, and the step; predicts as its segmentor does.

    Args:
        warmup: iterations on the source alone before the first round.
        round_length: iterations of a round; the last one goes on until training ends.
        shares: rho of each round, growing.
        target_weight: lambda.
        augmentation: arguments of `Photometric` for target images, which must be RGB; None for none.
        zoom: largest factor by which target images are zoomed into.
        class_mix: whether pieces of source images are pasted onto target images.
        statistics_images: on how many target images statistics are estimated before a round, spread over all; 0 for
            none. Under the policies 'source' and 'frozen' they stay.
        target_class_weights: whether the heads' own losses, with the weights of classes that they have, are those on
            the target too. Labels are kept by class already: weights on top let the errors among rare ones rule.
        settings: those of `AdaptationSettings`; levels are dicts of `Level`, whose `lambda_seg` weighs every loss of
            the head. The main head labels, all heads learn.

    Logged: see `ClassBalancedLog`.
    """

    iteration: Tensor
    round: Tensor
    thresholds: Tensor
    seed: Tensor

    def __init__(
        self,
        warmup: int = 0,
        round_length: int = 150,
        shares: Sequence[float] = (0.5, 0.65),
        target_weight: float = 1.0,
        augmentation: dict | None = None,
        zoom: float = 1.5,
        class_mix: bool = False,
        statistics_images: int = 96,
        target_class_weights: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(AdaptationSettings(**settings))
        if not shares or not all(0 < share <= 1 for share in shares) or list(shares) != sorted(shares):
            raise ValueError(f'shares={tuple(shares)}: one in (0, 1] for each round, growing')
        if warmup < 0 or round_length < 1 or zoom < 1 or statistics_images < 0:
            raise ValueError(
                f'warmup and statistics_images must be at least 0, round_length and zoom at least 1; got '
                f'{warmup}, {statistics_images}, {round_length}, {zoom}'
            )
        self.warmup, self.round_length, self.shares = warmup, round_length, tuple(shares)
        self.target_weight, self.zoom, self.statistics_images = target_weight, zoom, statistics_images
        self.class_mix, self.target_class_weights = class_mix, target_class_weights
        self.augmentation = None if augmentation is None else Photometric(**augmentation)
        self.files: RoundFiles | None = None  # the hook's to give
        # until a target image passes, source images stand in for it, so that there are statistics to evaluate with
        self.stand_in = 'target' if self.statistics.policy == 'target' else 'source'
        self.register_buffer('iteration', torch.tensor(0))
        self.register_buffer('round', torch.tensor(0))  # the one that goes on; 0 before the first
        classes = self.segmentor.decode_head.num_classes
        self.register_buffer('thresholds', torch.zeros(classes, dtype=torch.long))  # of that round
        self.register_buffer('seed', torch.tensor(self.run_seed))

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> ClassBalancedLog:
        """One iteration on a two-domain batch."""
        batch, segmentor = self.data_preprocessor(data, True), optim_wrapper['segmentor']
        source, target = batch['source'], batch['target']
        self.iteration += 1

        # 1. Learn from the source's labels.
        with self.domain_pass(segmentor, 'source' if int(self.round) else self.stand_in):
            logits = self.segmentor(source['inputs'], mode='levels')
            supervised = self.segmentation_loss(logits, source['data_samples'])
        if not int(self.round):
            segmentor.update_params(supervised.total)
            return self.log(supervised)
        accumulate(segmentor, supervised.total)

        # 2. In a round: learn from target images what the network made of them when it began.
        images, labels = self.disturb(target['inputs'], self.labels_of(target))
        images, taught_labels = self.mix(source, images, labels)
        with self.domain_pass(segmentor, 'target'):
            taught = self.target_loss(self.segmentor(images, mode='levels'), taught_labels)
        segmentor.update_params(taught.total)
        return self.log(supervised, taught, labels)

    def labels_of(self, target: dict) -> Tensor:
        """The round's labels (N, H, W) of a batch of target images."""
        files, size = self.place(), target['inputs'].shape[-2:]
        labels = [files.read(int(self.round), sample.img_path) for sample in target['data_samples']]
        if any(label.shape != size for label in labels):
            raise PseudoLabelError(
                f'pseudo-labels of {[tuple(label.shape) for label in labels]} pixels for images of '
                f'{tuple(size)}: the pipeline of the target must give all images one size'
            )
        return torch.stack(labels).to(target['inputs'].device)

    def disturb(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Target images in another view, light and colours, and their labels in that view."""
        seed, iteration = int(self.seed), int(self.iteration)
        images, labels = random_views(images, labels, image_generators('view', seed, iteration, len(images)), self.zoom)
        if self.augmentation is not None:
            generators = image_generators('light', seed, iteration, len(images))
            images = self.augmentation(images, generators, self.data_preprocessor)
        return images, labels

    def mix(self, source: dict, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Target images and labels with pieces of the batch's source images, if `class_mix`; else as they are."""
        if not self.class_mix:
            return images, labels
        generators = image_generators('mix', int(self.seed), int(self.iteration), len(images))
        ignore_index = unwrap(self.segmentor).decode_head.ignore_index
        return mix_classes((source['inputs'], truth(source)), (images, labels), generators, ignore_index)

    def target_loss(self, logits: Maps, labels: Tensor) -> LevelLosses:
        """lambda times the cross-entropy with the kept labels (N, H, W), over all heads."""
        heads, losses = self.heads(), {}
        for head in (level.head for level in self.levels):
            if self.target_class_weights:
                known = self.known(labels).to(logits[head].dtype)
                losses[head] = weighted_loss(heads[head], logits[head], labels, known)
            else:
                losses[head] = even_loss(heads[head], logits[head], labels)
        return LevelLosses.of(losses, {level.head: self.target_weight * level.lambda_seg for level in self.levels})

    def known(self, labels: Tensor) -> Tensor:
        """Which pixels have a label."""
        return labels != unwrap(self.segmentor).decode_head.ignore_index

    def log(
        self, supervised: LevelLosses, taught: LevelLosses | None = None, labels: Tensor | None = None
    ) -> ClassBalancedLog:
        """What the iteration came to."""
        levels = {
            level.head: ClassBalancedLevelLog(
                loss_seg=supervised.values[level.head],
                acc_seg=supervised.watched[level.head],
                loss_target=None if taught is None else taught.values[level.head],
            )
            for level in self.levels
        }
        if labels is None:
            return ClassBalancedLog(levels, None, None)
        known = self.known(labels)
        classes = torch.tensor(float(len(labels[known].unique())), device=labels.device)
        return ClassBalancedLog(levels, known.float().mean(), classes)

    def next_round(self) -> int | None:
        """Number of the round that begins with the coming iteration, or None."""
        passed, remainder = divmod(int(self.iteration) - self.warmup, self.round_length)
        return passed + 1 if remainder == 0 and 0 <= passed < len(self.shares) else None

    @torch.no_grad()
    def begin_round(self, samples: Sequence[dict], batch_size: int = 4) -> dict:
        """Labels the target anew, and lets the next iterations learn from that. Every process labels its share.

        Args:
            samples: the target's packed samples, in the order of `files`; indexed, and read again by every round.
            batch_size: of the batches on which statistics are estimated.

        Returns:
            What `round.json` holds.
        """
        number, files, student = int(self.round) + 1, self.place(), unwrap(self.segmentor)
        if self.statistics_images and self.statistics.policy in MOVING:
            estimate_on(student, self.data_preprocessor, samples, self.statistics_images, batch_size)
        files.start(number)
        barrier()
        labelled, counts = label_share(student, self.data_preprocessor, samples)
        all_reduce(counts)
        thresholds = surest_thresholds(counts, self.shares[number - 1])
        for path, (labels, levels) in labelled.items():
            kept = keep_surest(labels.long(), levels.long(), thresholds, student.decode_head.ignore_index)
            files.write(number, path, kept)
        self.round.fill_(number)
        self.thresholds.copy_(thresholds)
        manifest = {
            'iteration': int(self.iteration),
            'share': self.shares[number - 1],
            **class_manifest(counts, thresholds),
        }
        barrier()  # every process has written its share
        if get_rank() == 0:
            files.finish(number, manifest)
        barrier()
        return manifest

    def place(self) -> RoundFiles:
        """Where labels are kept. Raises PseudoLabelError where nothing gave a place."""
        if self.files is None:
            raise PseudoLabelError('pseudo-labels have no place: custom_hooks needs dict(type="PseudoLabelRoundsHook")')
        return self.files

    def restart(self) -> None:
        """Begins with the iterations before the first round."""
        super().restart()
        for buffer in (self.iteration, self.round, self.thresholds):
            buffer.zero_()
