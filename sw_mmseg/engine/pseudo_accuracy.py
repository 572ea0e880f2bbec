"""How right a teacher's labels are, in studies whose target has labels (streets): a monitor, never a loss."""

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from sw_mmseg.models.wrappers import unwrap

__all__ = ['PseudoLabelAccuracyHook']


@HOOKS.register_module()
class PseudoLabelAccuracyHook(Hook):
    """Lets the teacher label the first images of the run's validation set as it does in training, and counts.

    Training images of the target have no labels here by construction. Nothing learns from the result; like every look
    at target labels it must choose no checkpoint. Every process labels the same images, since statistics may be
    synchronised. Logged: `pseudo_accuracy` (percent of labelled pixels), `pseudo_accuracy_confident` (percent of those
    above the threshold; 0 where there are none).

    Args:
        interval: iterations between two looks.
        images: how many are labelled.
        batch_size: how many at once; the training's, where the teacher uses batch statistics.
    """

    def __init__(self, interval: int = 500, images: int = 16, batch_size: int = 2) -> None:
        if min(interval, images, batch_size) < 1:
            raise ValueError(
                f'interval, images and batch_size must be positive, got {interval}, {images}, {batch_size}'
            )
        self.interval, self.images, self.batch_size = interval, images, batch_size

    def before_train(self, runner: Runner) -> None:
        """Raises ValueError where there are no labels to compare with, or no teacher."""
        if runner.val_loop is None:
            raise ValueError(
                'PseudoLabelAccuracyHook needs a labelled validation set: give val_dataloader, val_cfg '
                'and val_evaluator, or leave the hook out'
            )
        if not hasattr(unwrap(runner.model), 'pseudo_labels'):
            raise ValueError(f'PseudoLabelAccuracyHook needs a teacher, {type(unwrap(runner.model)).__name__} has none')

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Logs the accuracies when that is due."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        dataset = runner.val_loop.dataloader.dataset
        samples = [dataset[index] for index in range(min(self.images, len(dataset)))]
        scores = accuracies(
            unwrap(runner.model),
            [samples[first : first + self.batch_size] for first in range(0, len(samples), self.batch_size)],
        )
        for name, value in scores.items():
            runner.message_hub.update_scalar(f'train/{name}', value)


def accuracies(model: nn.Module, batches: list[list[dict]]) -> dict[str, float]:
    """Percent of right pseudo-labels, over all labelled pixels and over the confident ones."""
    right, confident, both, labelled = (0.0,) * 4
    ignored = unwrap(model.segmentor).decode_head.ignore_index
    for batch in batches:
        data = model.data_preprocessor({key: [sample[key] for sample in batch] for key in batch[0]}, False)
        labels, sure, _ = model.pseudo_labels(data['inputs'])
        truth = torch.stack([resized(sample.gt_sem_seg.data[0], labels) for sample in data['data_samples']])
        known = truth != ignored
        hit = (labels == truth) & known
        right, labelled = right + float(hit.sum()), labelled + float(known.sum())
        both, confident = both + float((hit & sure).sum()), confident + float((sure & known).sum())
    return {
        'pseudo_accuracy': 100 * right / max(labelled, 1.0),
        'pseudo_accuracy_confident': 100 * both / max(confident, 1.0),
    }


def resized(truth: Tensor, labels: Tensor) -> Tensor:
    """Truth (H, W) at the size of `labels` (N, h, w), by the nearest pixel."""
    size = labels.shape[-2:]
    return F.interpolate(truth[None, None].float(), size, mode='nearest')[0, 0].to(labels)
