"""The classifier of DeepLab-v2: parallel dilated 3x3 convolutions from features to classes, summed.

AdaptSegNet's published network holds four branches (dilations 6, 12, 18, 24) but, by an early return, adds up only
the first two. Both are here by name: `branches='four'` is what DeepLab-v2 describes and the default; `branches='two'`
reproduces the published behaviour, without the two classifiers that would never be used or trained.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

__all__ = ['DeepLabV2Head', 'without_size_advice']

BRANCHES = {'four': 4, 'two': 2}


@contextmanager
def without_size_advice() -> Iterator[None]:
    """Inside, mmseg's `resize` does not recommend image sizes of the form 8n+1 for align_corners=True."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='When align_corners=True')
        yield


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Sum of dilated 3x3 classifiers.

    Args:
        in_channels: channels of the feature map.
        num_classes: classes, ignored label not counted.
        dilations: one a branch, in order.
        branches: 'four' or 'two': how many of `dilations` are used.
        in_index: which of the backbone's maps is read.
        dropout_ratio: channel dropout in front of the classifiers; the published network has none.
        align_corners: how logits are upsampled. True is AdaptSegNet's evaluation and worth 1.6 mIoU of its ResNet101.
        loss_decode, ignore_index, init_cfg: as in every mmseg head.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        branches: str = 'four',
        in_index: int = -1,
        dropout_ratio: float = 0.0,
        align_corners: bool = True,
        loss_decode: dict | Sequence[dict] | None = None,
        ignore_index: int = 255,
        init_cfg: dict | None = None,
    ) -> None:
        if branches not in BRANCHES:
            raise ValueError(f'branches must be one of {sorted(BRANCHES)}, got {branches!r}')
        if len(dilations) < BRANCHES[branches]:
            raise ValueError(f'branches={branches!r} needs {BRANCHES[branches]} dilations, got {tuple(dilations)}')
        super().__init__(
            in_channels,
            in_channels,
            num_classes=num_classes,
            in_index=in_index,
            dropout_ratio=dropout_ratio,
            align_corners=align_corners,
            # averaged over labelled pixels: mmseg's default also counts the ignored ones in the denominator
            loss_decode=loss_decode or {'type': 'CrossEntropyLoss', 'avg_non_ignore': True},
            ignore_index=ignore_index,
            init_cfg=init_cfg or {'type': 'Normal', 'std': 0.01, 'layer': 'Conv2d'},
        )
        del self.conv_seg  # the base class's 1x1 classifier has no part here
        used = tuple(dilations)[: BRANCHES[branches]]
        self.classifiers = nn.ModuleList(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=dilation, dilation=dilation) for dilation in used
        )

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """As in every mmseg head: losses and accuracy at the labels' resolution."""
        with without_size_advice():
            return super().loss_by_feat(seg_logits, batch_data_samples)

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """As in every mmseg head: logits at the images' resolution."""
        with without_size_advice():
            return super().predict_by_feat(seg_logits, batch_img_metas)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """The backbone's maps to logits (N, num_classes, h, w), at the feature map's resolution."""
        features = self._transform_inputs(inputs)
        if self.dropout is not None:
            features = self.dropout(features)
        logits = self.classifiers[0](features)
        for classifier in self.classifiers[1:]:
            logits = logits + classifier(features)
        return logits
