"""How undecided a prediction is: entropy of its classes, and each class's share of it (Vu et al., "ADVENT", CVPR 2019).

    I_k = -p_k log p_k / log K      weighted self-information of class k in a pixel, what AdvEnt's discriminators see
    E   = sum_k I_k                 normalised entropy of the pixel: 0 is certain, 1 knows nothing

Both from logits and not from probabilities: a probability that rounds to zero has a logarithm all the same, so values
and gradients stay finite without a small number added to p. In fp32 at least.
"""

import math

from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['EntropyLoss', 'normalised_entropy', 'weighted_self_information']


def weighted_self_information(logits: Tensor) -> Tensor:
    """I, (N, K, H, W), from logits of that shape; 0 to 1 / (e ln K). Channels lie last in memory, as is fastest."""
    classes = logits.shape[1]
    if classes < 2:
        raise ValueError(f'entropy needs at least two classes, got logits of shape {tuple(logits.shape)}')
    logits = logits if logits.dtype.itemsize >= 4 else logits.float()
    log_p = logits.permute(0, 2, 3, 1).log_softmax(-1)  # N H W K
    return (log_p.exp() * log_p / -math.log(classes)).permute(0, 3, 1, 2)


def normalised_entropy(logits: Tensor) -> Tensor:
    """E, (N, H, W), 0 to 1, from logits (N, K, H, W)."""
    return weighted_self_information(logits).sum(1)


@MODELS.register_module()
class EntropyLoss(nn.Module):
    """Mean normalised entropy of all pixels.

    Args:
        robust: None for the plain mean, as MinEnt; a number eta for FDA's penalty (E² + 0.001²)^eta of each pixel,
            which for eta above 0.5 leaves nearly certain pixels alone and works on the undecided ones. FDA takes 2.
    """

    def __init__(self, robust: float | None = None) -> None:
        super().__init__()
        if robust is not None and robust <= 0:
            raise ValueError(f'robust must be None or an exponent above 0, got {robust}')
        self.robust = robust

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of logits (N, K, H, W), and the mean normalised entropy, without history, to watch."""
        entropy = normalised_entropy(logits)
        penalty = entropy if self.robust is None else (entropy.square() + 1e-6) ** self.robust
        return penalty.mean(), entropy.detach().mean()

    def extra_repr(self) -> str:
        """Which of the losses it is."""
        return f'robust={self.robust}'
