"""mmseg's encoder-decoder with one more way to call it: the logits of every head at once.

AdaptSegNet aligns predictions at several levels (its "multi level" takes the last two stages of a ResNet). Training
through `forward` matters: gradients of a DistributedDataParallel model are only averaged for what its `forward` ran.
"""

from typing import Any

from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import OptSampleList
from torch import Tensor, nn

__all__ = ['MultiLevelSegmentor']


@MODELS.register_module()
class MultiLevelSegmentor(EncoderDecoder):
    """`EncoderDecoder` whose `forward(images, mode='levels')` gives `{head name: logits}`, the main head first."""

    def heads(self) -> dict[str, nn.Module]:
        """Heads by level name: 'decode_head', then 'auxiliary_head', or 'auxiliary_head_0', ... of a list."""
        heads = {'decode_head': self.decode_head}
        if self.with_auxiliary_head:
            if isinstance(self.auxiliary_head, nn.ModuleList):
                heads |= {f'auxiliary_head_{index}': head for index, head in enumerate(self.auxiliary_head)}
            else:
                heads['auxiliary_head'] = self.auxiliary_head
        return heads

    def forward(self, inputs: Tensor, data_samples: OptSampleList = None, mode: str = 'tensor') -> Any:
        """mmseg's modes, and 'levels': dict of logits (N, classes, h, w) at each head's own resolution; or, as
        'levels_and_features', that and the backbone's last map (N, C, h, w)."""
        if mode in ('levels', 'levels_and_features'):
            features = self.extract_feat(inputs)
            logits = {name: head(features) for name, head in self.heads().items()}
            return logits if mode == 'levels' else (logits, features[-1])
        return super().forward(inputs, data_samples, mode)
