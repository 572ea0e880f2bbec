"""Adversarial losses on patch-wise domain logits, and how often a discriminator is right.

`vanilla` is AdaptSegNet's binary cross-entropy; ln 2 = 0.693 is chance. `least_squares` is the squared distance to the
label; 0.25 is chance. A discriminator is asked to give each domain its own label, a segmentor to be given the other's.
"""

from collections.abc import Callable

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['SOURCE', 'TARGET', 'AdversarialLoss', 'domain_accuracy', 'least_squares_adversarial', 'vanilla_adversarial']

SOURCE, TARGET = 0.0, 1.0


def vanilla_adversarial(scores: Tensor, label: float) -> Tensor:
    """Mean binary cross-entropy of logits `scores` (any shape) against one label for all; in fp32 at least."""
    scores = scores if scores.dtype.itemsize >= 4 else scores.float()
    return F.binary_cross_entropy_with_logits(scores, scores.new_full(scores.shape, label))


def least_squares_adversarial(scores: Tensor, label: float) -> Tensor:
    """Mean squared distance of `scores` (any shape) to one label for all; in fp32 at least."""
    scores = scores if scores.dtype.itemsize >= 4 else scores.float()
    return (scores - label).square().mean()


def domain_accuracy(scores: Tensor, label: float, threshold: float) -> Tensor:
    """Share of `scores` on the label's side of `threshold`: 0.5 is chance, 1 a discriminator that is never wrong."""
    return ((scores.detach() > threshold) == (label > 0.5)).float().mean()


# loss, and the score that stands half way between the two labels
KINDS: dict[str, tuple[Callable[[Tensor, float], Tensor], float]] = {
    'vanilla': (vanilla_adversarial, 0.0),
    'least_squares': (least_squares_adversarial, 0.5),
}


@MODELS.register_module()
class AdversarialLoss(nn.Module):
    """One of the losses above, by name.

    Args:
        kind: 'vanilla' or 'least_squares'. The second wants a larger weight: AdaptSegNet uses lambda_adv 0.01 for it.
    """

    def __init__(self, kind: str = 'vanilla') -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f'kind must be one of {sorted(KINDS)}, got {kind!r}')
        self.kind = kind
        self.function, self.threshold = KINDS[kind]

    def forward(self, scores: Tensor, label: float) -> Tensor:
        """The mean over N×1×h×w scores, a scalar; `label` as in `adversarial_loss`."""
        return self.function(scores, label)

    def accuracy(self, scores: Tensor, label: float) -> Tensor:
        """Share of patches that the scores put into the labelled domain, 0 to 1."""
        return domain_accuracy(scores, label, self.threshold)

    def extra_repr(self) -> str:
        """Which of the losses it is."""
        return f'kind={self.kind!r}'
