"""A decoder that costs little: a feature pyramid of separable convolutions, classified at the finest level.

Lin et al.'s pyramid (CVPR 2017) in the form of Panoptic FPN's semantic branch (Kirillov et al., CVPR 2019): every level
is brought to as many channels, the coarser one is added to the next finer one, each sum is smoothed, and all are added
at the finest level's size. Departures: convolutions of 3x3 are depthwise separable, there is one a level instead of one
an octave, and one more over their sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['LightFPNHead']


@MODELS.register_module()
class LightFPNHead(BaseDecodeHead):
    """Maps of several strides to logits at the first one's size.

    Args:
        in_channels: channels of the backbone's maps, finest first.
        num_classes: classes, ignored label not counted.
        channels: channels of the pyramid.
        in_index: which of the backbone's maps are read; all in order, if not given.
        norm_cfg: the norm behind every convolution but the classifier; BN by default.
        dropout_ratio: channel dropout in front of the classifier.
        align_corners, loss_decode, ignore_index, init_cfg: as in every mmseg head.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 64,
        in_index: Sequence[int] | None = None,
        norm_cfg: dict | None = None,
        dropout_ratio: float = 0.1,
        align_corners: bool = False,
        loss_decode: dict | Sequence[dict] | None = None,
        ignore_index: int = 255,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            list(in_channels),
            channels,
            num_classes=num_classes,
            in_index=list(in_index or range(len(in_channels))),
            input_transform='multiple_select',
            norm_cfg=norm_cfg or {'type': 'BN'},
            dropout_ratio=dropout_ratio,
            align_corners=align_corners,
            # averaged over labelled pixels, as in `DeepLabV2Head`
            loss_decode=loss_decode or {'type': 'CrossEntropyLoss', 'avg_non_ignore': True},
            ignore_index=ignore_index,
            init_cfg=init_cfg or {'type': 'Normal', 'std': 0.01, 'override': {'name': 'conv_seg'}},
        )
        shared = {'norm_cfg': self.norm_cfg, 'act_cfg': self.act_cfg}
        self.laterals = nn.ModuleList(
            ConvModule(width, channels, 1, norm_cfg=self.norm_cfg, act_cfg=None) for width in in_channels
        )
        self.smooth = nn.ModuleList(
            DepthwiseSeparableConvModule(channels, channels, 3, padding=1, **shared) for _ in in_channels
        )
        self.join = DepthwiseSeparableConvModule(channels, channels, 3, padding=1, **shared)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """The backbone's maps to logits (N, num_classes, h, w), at the first level's resolution."""
        levels = [lateral(level) for lateral, level in zip(self.laterals, self._transform_inputs(inputs), strict=True)]
        for index in reversed(range(len(levels) - 1)):
            levels[index] = levels[index] + self._resized(levels[index + 1], levels[index])
        smoothed = [smooth(level) for smooth, level in zip(self.smooth, levels)]
        total = smoothed[0]
        for level in smoothed[1:]:
            total = total + self._resized(level, total)
        return self.cls_seg(self.join(total))

    def _resized(self, level: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(level, like.shape[-2:], mode='bilinear', align_corners=self.align_corners)
