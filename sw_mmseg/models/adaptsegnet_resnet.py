"""The ResNet101 of AdaptSegNet's published code, where it departs from the ResNet that the configs take by default.

The configs' DeepLab-v2 on ResNet101 is mmseg's ResNet with torchvision's weights. AdaptSegNet's code differs in what
its paper does not say:

- strides stand in the first 1x1 convolution of a stage, not in its 3x3 one;
- the pooling of the stem rounds up, so that maps are a pixel larger for some sizes;
- scale and shift of every BatchNorm are frozen, while its running statistics move;
- of the four classifiers of each head two are used (`DeepLabV2Head(branches='two')`);
- the optimiser is given the weights of the backbone once for every module that they are in, and moves them as often in
  a step (`AdaptSegNetConstructor` in sw_mmseg/engine): three times, four in shortcuts, once in the stem. So its
  classifiers, at ten times the rate, learn about 3.3 times as fast as the backbone, not ten times;
- images are resized by Pillow, bicubically, labels to the nearest; here OpenCV does it, bilinearly.

All but the last are options, in `configs/bn_adaptsegnet_gta2cityscapes.py`. Its own initial weights were those of a
network with these strides; torchvision's were not.
"""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS

__all__ = ['AdaptSegNetResNet']


@MODELS.register_module()
class AdaptSegNetResNet(ResNet):
    """mmseg's ResNet with strides in 1x1 convolutions, a pooling that rounds up, and frozen scales and shifts.

    Args:
        depth: layers, such as 101.
        norm_cfg: a BatchNorm.
        options: of mmseg's `ResNet`, but for `style`.
    """

    def __init__(self, depth: int, norm_cfg: dict | None = None, **options) -> None:
        if 'style' in options:
            raise TypeError('AdaptSegNetResNet has its strides in 1x1 convolutions: style is no option')
        super().__init__(
            depth, style='caffe', norm_cfg={**(norm_cfg or {'type': 'BN'}), 'requires_grad': False}, **options
        )
        self.maxpool.ceil_mode = True
