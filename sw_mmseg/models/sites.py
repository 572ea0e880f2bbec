"""Another norm at the sites that the paper counts (Section 4, Appendix B), in any backbone of the OpenMMLab family.

    backbone=dict(type='SwitchSites', of='ResNet', depth=50, site_norm_cfg=dict(type='SW'), every=3)

builds the backbone named by `of` from the other options and replaces the norms at the sites. What comes out IS that
backbone: its class, attributes and keys are unchanged, so checkpoints of the plain one load, and frozen stages,
`norm_eval` and `init_cfg` work as ever. Over an inherited config only `type`, `of` and `site_norm_cfg` have to be said.

Convolutions are counted from the stem, 1 first, shortcuts not counted; the norm stands behind the first and every
k-th, except in the stages named in `exclude`. All other norms stay what `norm_cfg` says. Of ResNet-50 that chooses

    every=3   1, 3, 6, ..., 39   14 sites, the stem and conv2 of every block: ADE20K, Cityscapes
    every=6   1, 6, 12, ..., 36   7 sites, conv2 of every second block: ImageNet, COCO, Table 5

and of ResNet-101 31 and 16. Three convolutions in the stem (ResNetV1c, ResNetV1d) shift that count by two, so that
every third would be the last of a block, with four times the channels. `stem=3` counts them as one, which gives the
sites above, that of the stem being behind its last convolution; `stem=1` counts literally (15 sites of 50 layers).

Where norms do not follow that count, as in the authors' released models, `at` names them.

A new norm has the eps of the one it replaces, unless its config says another. Where groups of 16 do not divide a
layer's channels, as in mobile networks, it whitens the largest groups that do, see norms.py.
"""

from collections.abc import Sequence
from dataclasses import replace

from mmcv.cnn import build_norm_layer
from mmengine.registry import MODELS
from torch import nn

from sw_mmseg.whitening import Site, convolution_sites, place_norm, replace_norm
from sw_mmseg.whitening import every as every_kth

__all__ = ['place_at', 'place_sites', 'switch_sites']


@MODELS.register_module('SwitchSites')
def switch_sites(
    of: str,
    site_norm_cfg: dict | None = None,
    every: int = 3,
    exclude: Sequence[str] = ('layer4',),
    stem: int = 1,
    at: Sequence[str] | None = None,
    **backbone,
) -> nn.Module:
    """The backbone `of` with the norm of `site_norm_cfg` behind the first and every k-th convolution.

    Args:
        of: type of the backbone in the current scope ('ResNet'), or with its scope ('mmdet.ResNet').
        site_norm_cfg: the norm at the sites, such as `dict(type='SW')`; None leaves the backbone as it is.
        every: k.
        exclude: parts of module names, such as a ResNet's last stage, where no norm is replaced.
        stem: how many convolutions the stem has; they count as one.
        at: names of the norms to replace, such as ['bn1', 'layer1.1.bn2'], instead of counting.
        backbone: options of `of`, which refuses what it does not know.

    Raises:
        ValueError: nothing to choose, a chosen convolution has no norm behind it, or a name in `at` is no norm's.
    """
    network = MODELS.build({'type': of, **backbone})
    if site_norm_cfg is not None and at is not None:
        place_at(network, site_norm_cfg, at)
    elif site_norm_cfg is not None:
        place_sites(network, site_norm_cfg, every, exclude, stem)
    return network


def place_sites(
    backbone: nn.Module, norm_cfg: dict, every: int = 3, exclude: Sequence[str] = ('layer4',), stem: int = 1
) -> list[Site]:
    """Puts the norm of `norm_cfg` at the sites of a built backbone, under the names of those it replaces.

    A new norm behind a frozen convolution is frozen too. Returns the sites, numbered as if the stem were literal.
    """
    if stem < 1:
        raise ValueError(f'stem={stem}: how many convolutions the stem has, at least 1')
    chosen = every_kth(every, exclude=exclude)

    def where(site: Site) -> bool:
        return site.index >= stem and chosen(replace(site, index=site.index - stem + 1))

    old = {site.norm_name: site.norm for site in convolution_sites(backbone)}
    sites = place_norm(backbone, where, lambda channels: build_norm_layer(norm_cfg, channels)[1])
    for site in sites:
        _take_eps(site.norm, old[site.norm_name], norm_cfg)
        if not site.conv.weight.requires_grad:
            site.norm.requires_grad_(False)
    return sites


def place_at(backbone: nn.Module, norm_cfg: dict, names: Sequence[str]) -> None:
    """Puts the norm of `norm_cfg` in place of the norms with these names. A new norm for a frozen one is frozen too."""
    modules = dict(backbone.named_modules())
    channels = {name: getattr(modules.get(name), 'num_features', None) for name in names}
    unknown = [name for name, count in channels.items() if count is None]
    if unknown or not channels:
        raise ValueError(f'at={list(names)}: {unknown or "it"} names no norm of {type(backbone).__name__}')
    for name, count in channels.items():
        norm = replace_norm(backbone, name, build_norm_layer(norm_cfg, count)[1])
        _take_eps(norm, modules[name], norm_cfg)


def _take_eps(norm: nn.Module, old: nn.Module, norm_cfg: dict) -> None:
    """A norm of several, such as IBN, takes it in each."""
    for part in norm.modules():
        if 'eps' not in norm_cfg and hasattr(part, 'eps') and hasattr(old, 'eps'):
            part.eps = old.eps
