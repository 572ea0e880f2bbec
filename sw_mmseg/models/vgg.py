"""VGG16 as DeepLab-v2 uses it: the backbone of the paper's domain adaptation study (Section 4.3).

Thirteen convolutions in five groups of 2, 2, 3, 3, 3. The fourth and fifth pooling are gone and the fifth group is
dilated by 2, so the output stride is 8; the first two fully connected layers are 3x3 convolutions dilated by 4.
Published VGG16 has no normalisation. With `norm_cfg` one norm stands after the FIRST convolution of each group (five
in all), before its ReLU, exactly where Section 4.3 puts SW and its counterparts. fc6 and fc7 have none.

Departure: He initialisation (fan in) wherever no file gives the weights, because ten of the fifteen convolutions have
no norm behind them and torch's default start lets a network trained from scratch fade.
"""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['CONVOLUTIONS', 'TORCHVISION_INDEX', 'VGG16DeepLab', 'scale_width']

GROUPS = (2, 2, 3, 3, 3)
CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = tuple(f'conv{group}_{index}' for group, size in enumerate(GROUPS, 1) for index in range(1, size + 1))
# Where torchvision's `vgg16().features` keeps each convolution: ReLU and pooling take an index too.
TORCHVISION_INDEX = dict(zip(CONVOLUTIONS, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)))


def scale_width(channels: int, width: float) -> int:
    """`channels * width`, rounded to a multiple of 16 (the group size of whitening), at least 16."""
    return max(16, int(round(channels * width / 16)) * 16)


@MODELS.register_module()
class VGG16DeepLab(BaseModule):
    """Images to one feature map of an eighth of their size.

    Args:
        norm_cfg: norm after the first convolution of each group, e.g. `dict(type='SW')`; None for the bare VGG16.
        width: factor on every channel count, rounded to multiples of 16. Pretrained weights fit 1.0 only.
        in_channels: channels of the image.
        frozen_stages: groups 1 to this one are not trained (0 to 5; -1 freezes none), their norms are in eval mode.
        norm_eval: every batch-statistics norm stays in eval mode while training.
        with_fc: False ends the network after the fifth group.
        init_cfg: e.g. `dict(type='ImageNetPretrained', checkpoint='torchvision://vgg16')`; it runs after He's.
    """

    # What a VGG16 file cannot hold, with the reason: `ImageNetPretrained` leaves these out of its count and says so.
    without_pretrained = {
        'fc6': 'a dilated 3x3 convolution has no counterpart in the file, starts from He initialisation',
        'fc7': 'a dilated 3x3 convolution has no counterpart in the file, starts from He initialisation',
        'norm': 'VGG16 has no norms, starts from the identity affine',
    }

    def __init__(
        self,
        norm_cfg: dict | None = None,
        width: float = 1.0,
        in_channels: int = 3,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_fc: bool = True,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        given = [] if init_cfg is None else [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg)
        super().__init__([{'type': 'Kaiming', 'layer': 'Conv2d', 'mode': 'fan_in'}, *given])
        if not -1 <= frozen_stages <= len(GROUPS):
            raise ValueError(f'frozen_stages must lie between -1 and {len(GROUPS)}, got {frozen_stages}')
        self.frozen_stages, self.norm_eval, self.with_fc = frozen_stages, norm_eval, with_fc
        for group, (size, channels) in enumerate(zip(GROUPS, CHANNELS), 1):
            channels, dilation = scale_width(channels, width), 2 if group == 5 else 1
            for index in range(1, size + 1):
                convolution = nn.Conv2d(in_channels, channels, 3, padding=dilation, dilation=dilation)
                self.add_module(f'conv{group}_{index}', convolution)
                in_channels = channels
            if norm_cfg is not None:
                self.add_module(f'norm{group}', build_norm_layer(norm_cfg, channels)[1])
        if with_fc:
            hidden = scale_width(1024, width)
            self.fc6 = nn.Conv2d(in_channels, hidden, 3, padding=4, dilation=4)
            self.fc7 = nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4)
            in_channels = hidden
        self.out_channels = in_channels
        self.pool = nn.MaxPool2d(2, 2)
        self.relu = nn.ReLU(inplace=True)
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """(N, in_channels, H, W) to a tuple of one map (N, out_channels, H // 8, W // 8)."""
        for group in range(1, len(GROUPS) + 1):
            x = self.forward_group(x, group)
        if self.with_fc:
            x = self.relu(self.fc7(self.relu(self.fc6(x))))
        return (x,)

    def forward_group(self, x: Tensor, group: int) -> Tensor:
        """Group 1 to 5, with the pooling that follows the first three."""
        for index in range(1, GROUPS[group - 1] + 1):
            x = getattr(self, f'conv{group}_{index}')(x)
            if index == 1 and hasattr(self, f'norm{group}'):
                x = getattr(self, f'norm{group}')(x)
            x = self.relu(x)
        return self.pool(x) if group <= 3 else x

    def train(self, mode: bool = True) -> 'VGG16DeepLab':
        """As in every OpenMMLab backbone, `train()` leaves frozen stages and, with `norm_eval`, norms in eval mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        for group in range(1, self.frozen_stages + 1):
            for name, module in self.named_children():
                if name.startswith((f'conv{group}_', f'norm{group}')):
                    module.eval().requires_grad_(False)

    @staticmethod
    def remap_pretrained(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keys of torchvision's VGG16 (`features.0.weight`) to those of this class (`conv1_1.weight`); others stay."""
        names = {f'features.{index}': name for name, index in TORCHVISION_INDEX.items()}

        def rename(key: str) -> str:
            module, _, tensor = key.rpartition('.')
            return f'{names[module]}.{tensor}' if module in names else key

        return {rename(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}
