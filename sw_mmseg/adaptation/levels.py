"""Methods that supervise and adapt the outputs of several heads: levels, their losses, and their names in the log.

DeepLab-v2 on VGG16 has one level; on ResNet101 two, the last two stages (AdaptSegNet's "multi level"). A method adds
the weights of its own losses to `Level` and a `train_step`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sw_mmseg.adaptation.base import DomainAdaptation, Maps


@dataclass(frozen=True)
class Level:
    """One level at which outputs are supervised: a head's name and the weights of its losses."""

    head: str
    lambda_seg: float = 1.0


class MultiLevelAdaptation(DomainAdaptation):
    """Base of the methods with levels.

    Args:
        segmentor: config of a `MultiLevelSegmentor`.
        levels: dicts of the class's `level_type`, the main head first. Every head of the segmentor has to be a level.
        statistics_from, evaluate_with, data_preprocessor, init_cfg: of `DomainAdaptation`.
    """

    level_type = Level

    def __init__(
        self,
        segmentor: dict,
        levels: Sequence[dict] = ({'head': 'decode_head'},),
        statistics_from: str = 'target',
        evaluate_with: str = 'target',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(segmentor, statistics_from, evaluate_with, data_preprocessor, init_cfg)
        self.levels = [self.level_type(**level) for level in levels]
        names = [level.head for level in self.levels]
        if len(set(names)) != len(names) or set(names) != set(self.segmentor.heads()):
            raise ValueError(f'levels must name each head of the segmentor once: heads {list(self.segmentor.heads())}, '
                             f'levels {names}')

    def segmentation_loss(self, logits: Maps, data_samples: list, log: dict[str, Tensor]) -> Tensor:
        """sum_i lambda_seg_i CE(S_i(x_s), y_s), from logits at feature resolution."""
        total = 0.0
        for level in self.levels:
            loss, accuracy = self.supervised_loss(logits[level.head], data_samples, level.head)
            self._log(log, level, 'loss_seg', loss)
            self._log(log, level, 'acc_seg', accuracy)
            total = total + level.lambda_seg * loss
        return total

    def upsampled(self, logits: Maps, images: Tensor) -> Maps:
        """Logits at the size of the images; channels lie last in memory, which is what softmax likes."""
        heads, size = self.heads(), images.shape[-2:]
        return {
            name: F.interpolate(value.contiguous(memory_format=torch.channels_last), size, mode='bilinear',
                                align_corners=heads[name].align_corners)
            for name, value in logits.items()
        }

    def watch(self, logits: Maps, log: dict[str, Tensor]) -> None:
        """Logs `target_classes`: how many classes the main head sees in a target batch. At one, it has collapsed."""
        labels = logits[self.levels[0].head].detach().argmax(1)
        seen = labels.new_zeros(logits[self.levels[0].head].shape[1], dtype=torch.float32)
        log['target_classes'] = seen.index_fill_(0, labels.flatten(), 1.0).sum()

    def _log(self, log: dict[str, Tensor], level: Level, name: str, value: Tensor) -> None:
        key = name if level is self.levels[0] else f'{level.head}.{name}'
        log[key] = log[key] + value.detach() if key in log else value.detach()
