"""The domain discriminators of AdaptSegNet: from which domain does this prediction come?

One network a level: five 4x4 convolutions of stride 2 with LeakyReLU 0.2 in between, no norm, on class probabilities
at image resolution. Its output is a map of logits, one a patch; source is 0, target is 1. No sigmoid at the end: the
loss has it.
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['LevelDiscriminators', 'OutputDiscriminator']

SMALLEST = 32  # pixels: five halvings leave one


@MODELS.register_module()
class OutputDiscriminator(BaseModule):
    """Class probabilities to patch-wise domain logits.

    Args:
        num_classes: channels of the probability map.
        width: channels of the first convolution; the next ones have 2, 4 and 8 times as many (64 is the published one).
        init_cfg: as in every mmengine module; None keeps torch's initialisation.
    """

    def __init__(self, num_classes: int, width: int = 64, init_cfg: dict | Sequence[dict] | None = None) -> None:
        super().__init__(init_cfg)
        channels = (num_classes, width, 2 * width, 4 * width, 8 * width, 1)
        layers: list[nn.Module] = []
        for before, after in zip(channels[:-1], channels[1:]):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, probabilities: Tensor) -> Tensor:
        """(N, num_classes, H, W) to (N, 1, H // 32, W // 32).

        Raises:
            ValueError: a side is shorter than 32 pixels.
        """
        if min(probabilities.shape[-2:]) < SMALLEST:
            size = 'x'.join(str(side) for side in probabilities.shape[-2:])
            raise ValueError(
                f'the discriminator halves its input five times: {size} pixels is below {SMALLEST}; use larger crops'
            )
        return self.layers(probabilities)


class LevelDiscriminators(nn.Module):
    """One discriminator for each named level, reached through one `forward` (so that one DDP wrapper can hold them)."""

    def __init__(self, discriminators: dict[str, nn.Module]) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(discriminators)

    def forward(self, probabilities: dict[str, Tensor]) -> dict[str, Tensor]:
        """Probability maps by level to domain logits by level."""
        return {name: discriminator(probabilities[name]) for name, discriminator in self.levels.items()}
