"""ResNet-20, -44, -56 and -110 for images of 32x32, as He et al. built them for CIFAR (Section 4.1, Table 2).

A 3x3 convolution and three stages of n blocks of two 3x3 convolutions, with 16, 32 and 64 channels: depth 6n + 2, of
which the last layer is the classifier's. Shortcuts have no parameters (their option A): where a stage begins, every
second pixel is taken and the new channels are zero.

Names are those of other ResNets, and convolutions are registered in the order of the network, so that `SwitchSites`
with every=4, exclude=() places norms as Appendix B says: {1, 4, 8, 12, 16} in ResNet-20. Weights start as He et al.'s
(normal, fan in).
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['CIFARBlock', 'CIFARResNet']

STAGES = 3


class CIFARBlock(BaseModule):
    """conv3x3, norm, ReLU, conv3x3, norm, plus the shortcut, ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        self.stride, self.added = stride, channels - in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, channels)[1]
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = build_norm_layer(norm_cfg, channels)[1]
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×C'×H/s×W/s."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + self.shortcut(x))

    def shortcut(self, x: Tensor) -> Tensor:
        """Option A: the input itself, thinned out and padded with channels of zeros to the block's shape."""
        if self.stride > 1:
            x = x[..., :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.added)) if self.added else x


@MODELS.register_module()
class CIFARResNet(BaseModule):
    """Images (N, in_channels, H, W) to a tuple of the maps of `out_indices`; that of the last stage is (N, 4·width,
    H/4, W/4).

    Args:
        depth: 6n + 2.
        norm_cfg: the norm behind every convolution.
        width: channels of the first stage.
        in_channels: of the image.
        out_indices: stages, from 0, whose maps are returned.
        frozen_stages: the stem (0) and stages 1 to this one are not trained, their norms stay in evaluation mode;
            -1 freezes none.
        norm_eval: norms with batch statistics stay in evaluation mode while training.
        init_cfg: as in every mmengine module; None for He's initialisation.

    Raises:
        ValueError: another depth, or a stage that does not exist.
    """

    def __init__(
        self,
        depth: int,
        norm_cfg: dict | None = None,
        width: int = 16,
        in_channels: int = 3,
        out_indices: Sequence[int] = (2,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | Sequence[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                {'type': 'Kaiming', 'layer': 'Conv2d', 'mode': 'fan_in'},
                {'type': 'Constant', 'val': 1, 'layer': '_BatchNorm'},
            ]
        )
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f'depth={depth} is not 6n + 2: take 20, 44, 56 or 110')
        if not set(out_indices) <= set(range(STAGES)) or not -1 <= frozen_stages <= STAGES:
            raise ValueError(
                f'out_indices={tuple(out_indices)}, frozen_stages={frozen_stages}: stages are 0 to 2, '
                'and -1 to 3 of them can be frozen'
            )
        norm_cfg = norm_cfg or {'type': 'BN'}
        self.out_indices, self.frozen_stages, self.norm_eval = tuple(out_indices), frozen_stages, norm_eval
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, width)[1]
        self.relu = nn.ReLU(inplace=True)
        channels = width
        for stage in range(STAGES):
            blocks = []
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(CIFARBlock(channels, width * 2**stage, stride, norm_cfg))
                channels = width * 2**stage
            self.add_module(f'layer{stage + 1}', nn.Sequential(*blocks))
        self._freeze_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """N×3×32×32 images to the map of the last stage."""
        x = self.relu(self.bn1(self.conv1(x)))
        maps = []
        for stage in range(STAGES):
            x = getattr(self, f'layer{stage + 1}')(x)
            maps.append(x)
        return tuple(maps[index] for index in self.out_indices)

    def train(self, mode: bool = True) -> 'CIFARResNet':
        """As in every OpenMMLab backbone, frozen stages and, with `norm_eval`, norms stay in evaluation mode."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        for name in ('conv1', 'bn1', *(f'layer{stage}' for stage in range(1, self.frozen_stages + 1))):
            getattr(self, name).eval().requires_grad_(False)
