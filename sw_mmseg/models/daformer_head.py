"""DAFormer's decoder (Hoyer et al., CVPR 2022, Sec. 3.2): every level of a backbone, fused with a wide view.

Each level is embedded in as many channels by a linear map of its pixels, brought to the size of the first level and
stacked; parallel depthwise-separable convolutions of growing dilation look at the stack, and a 3x3 convolution joins
what they see. Any backbone will do: levels may have any sizes, also all the same (plain vision transformers).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPModule
from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['DAFormerHead']


@MODELS.register_module()
class DAFormerHead(BaseDecodeHead):
    """Context-aware fusion of several levels.

    Args:
        in_channels: channels of the backbone's maps, finest first.
        num_classes: classes, ignored label not counted.
        channels: channels of the embeddings, of each branch and of what is classified.
        dilations: one a branch; 1 is a 1x1 convolution.
        in_index: which of the backbone's maps are read; all in order, if not given.
        norm_cfg: the norm behind every convolution but embeddings and classifier; BN by default.
        dropout_ratio: channel dropout in front of the classifier.
        align_corners, loss_decode, ignore_index, init_cfg: as in every mmseg head.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 256,
        dilations: Sequence[int] = (1, 6, 12, 18),
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
        shared = {'conv_cfg': None, 'norm_cfg': self.norm_cfg, 'act_cfg': self.act_cfg}
        self.embeddings = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.branches = DepthwiseSeparableASPPModule(
            dilations=dilations, in_channels=channels * len(in_channels), channels=channels, **shared
        )
        self.join = ConvModule(channels * len(dilations), channels, 3, padding=1, **shared)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """The backbone's maps to logits (N, num_classes, h, w), at the first level's resolution."""
        levels = self._transform_inputs(inputs)
        size = levels[0].shape[-2:]
        embedded = [embedding(level) for embedding, level in zip(self.embeddings, levels, strict=True)]
        stack = torch.cat(
            [F.interpolate(level, size, mode='bilinear', align_corners=self.align_corners) for level in embedded], dim=1
        )  # N levels·channels h w
        return self.cls_seg(self.join(torch.cat(self.branches(stack), dim=1)))
