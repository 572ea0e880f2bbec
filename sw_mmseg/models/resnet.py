"""mmseg's ResNet with another norm at the sites that the paper counts (Section 4).

Convolutions are counted from the stem, 1 first, shortcuts not counted; the norm stands behind the first and every
k-th, except in stages named in `exclude` (the paper leaves out the 2048 channels of `layer4`): k = 3 for scene
parsing, 6 for ImageNet. All other norms stay what `norm_cfg` says. DeepLab-v2 takes strides (1, 2, 1, 1) and dilations
(1, 1, 2, 4), which give an output stride of 8.
"""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS

from sw_mmseg.whitening import every, place_norm


@MODELS.register_module()
class SwitchResNet(ResNet):
    """A ResNet whose keys are torchvision's, whichever norm stands where.

    Args:
        depth: 18, 34, 50, 101 or 152.
        site_norm_cfg: the norm at the sites, e.g. `dict(type='SW')`; None leaves the ResNet as it is.
        every: k.
        exclude: stages without such a norm.
        kwargs: of mmseg's ResNet, which refuses what it does not know.
    """

    def __init__(
        self,
        depth: int,
        site_norm_cfg: dict | None = None,
        every: int = 3,
        exclude: Sequence[str] = ('layer4',),
        **kwargs,
    ) -> None:
        super().__init__(depth, **kwargs)
        if site_norm_cfg is not None:
            place_sites(self, site_norm_cfg, every, exclude)
            self._freeze_stages()  # new norms in frozen stages


def place_sites(backbone: ResNet, norm_cfg: dict, k: int, exclude: Sequence[str]) -> None:
    """Puts the norm of `norm_cfg` at the sites, under the names of those it replaces."""
    place_norm(backbone, every(k, exclude=exclude), lambda channels: build_norm_layer(norm_cfg, channels)[1])
