"""Which convolution of a network gets which norm (Section 4 and Appendix B of the paper).

The paper counts convolutions from the input, the first one being 1, without those of shortcuts, and puts SW behind the
first and every k-th. `place_norm` does that in any torch model whose norms are modules beside their convolutions,
registered after them, as in torchvision, timm and OpenMMLab; `describe` shows the result. Norms in a list beside a list
of as many convolutions, as in Res2Net, are taken in pairs.

Not counted, since they see no image, are the convolutions of squeeze-and-excitation gates. Where norms stand in front
of convolutions, as in DenseNet and other networks with pre-activation, `convert(model, where=...)` chooses by norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import nn
from torch.nn.modules.batchnorm import _NormBase  # private: all BatchNorms and InstanceNorms
from torch.nn.modules.lazy import LazyModuleMixin

from .conversion import check_replaceable, largest_group_size, replace_norm
from .layer import SwitchWhiten

__all__ = ['SHORTCUTS', 'Site', 'convolution_sites', 'describe', 'every', 'is_norm', 'place_norm']

# Names that shortcut branches carry in torchvision, timm and OpenMMLab.
SHORTCUTS = ('downsample', 'shortcut', 'skip', 'identity_conv', 'proj')
# Classes of gates in torchvision, timm and OpenMMLab: convolutions of channels' means, without norms.
_GATES = ('SqueezeExcitation', 'SqueezeExcite', 'SEModule', 'EffectiveSEModule', 'SELayer')
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (_NormBase, nn.GroupNorm)
_Convolution: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d
_Pair: TypeAlias = tuple[str, _Convolution, str | None, nn.Module | None]


@dataclass(frozen=True)
class Site:
    """A counted convolution and the norm behind it, with their names in the model; None where there is no norm."""

    index: int  # from 1, in the order of registration, shortcuts not counted
    conv_name: str
    conv: _Convolution
    norm_name: str | None
    norm: nn.Module | None


def is_norm(module: nn.Module) -> bool:
    """A norm of torch, or derived from one; or made of such alone, as IBN is, with `num_features` of its own."""
    parts = list(module.children())
    made_of_norms = bool(parts) and hasattr(module, 'num_features') and all(is_norm(part) for part in parts)
    return isinstance(module, _NORMS) or made_of_norms


def convolution_sites(model: nn.Module, shortcuts: Iterable[str] = SHORTCUTS) -> list[Site]:
    """All counted convolutions of `model`, in the order of registration.

    A convolution whose name has a part in `shortcuts` is not counted. The norm of a convolution is the next norm
    registered in the same parent, before another convolution, with as many channels as the convolution puts out.
    """
    shortcuts = frozenset(shortcuts)
    sites: list[Site] = []
    for conv_name, conv, norm_name, norm in _pairs(model):
        if shortcuts.isdisjoint(conv_name.split('.')):
            sites.append(Site(len(sites) + 1, conv_name, conv, norm_name, norm))
    return sites


def every(k: int, first: bool = True, exclude: Iterable[str] = ()) -> Callable[[Site], bool]:
    """The paper's placement: the first (unless `first` is False) and every k-th convolution.

    `exclude` holds parts of module names, such as 'layer4' for the stage of 2048 channels, where none is placed.
    Excluded convolutions are counted all the same. CIFAR: every(4); scene parsing: every(3, exclude=['layer4']);
    ImageNet: every(6, exclude=['layer4']).
    """
    if k < 1:
        raise ValueError(f'k must be at least 1, got {k}')
    excluded = frozenset([exclude] if isinstance(exclude, str) else exclude)

    def chosen(site: Site) -> bool:
        counted = site.index % k == 0 or (first and site.index == 1)
        return counted and excluded.isdisjoint(site.conv_name.split('.'))

    return chosen


def place_norm(
    model: nn.Module,
    where: Callable[[Site], bool] | Iterable[str],
    make_norm: Callable[[int], nn.Module],
    shortcuts: Iterable[str] = SHORTCUTS,
) -> list[Site]:
    """Replaces the norm behind every chosen convolution by `make_norm(channels)`, in place; returns the new sites.

    `where` is a predicate on `Site`, such as `every(3)`, or the names of convolutions. A new norm takes over the
    parameters, statistics, device, dtype and mode of the old one, see `replace_norm`; a replaced norm without affine
    parameters leaves the new one's as they were made.

    Raises:
        ValueError: nothing was chosen, a name is not a counted convolution, a chosen convolution has no norm behind it,
            its norm cannot be replaced, see `replace_norm`, or `make_norm` refuses its channels. The model is unchanged
            then.
    """
    sites = convolution_sites(model, shortcuts)
    chosen = [site for site in sites if where(site)] if callable(where) else _by_name(sites, where)
    if not chosen:
        raise ValueError(f'no convolution chosen among {len(sites)} of {type(model).__name__}')
    bare = [site.conv_name for site in chosen if site.norm_name is None]
    if bare:
        raise ValueError(f'no norm behind {bare}: {_way_out(model, sites)}')
    made: dict[nn.Module, nn.Module] = {}  # by the old norm, which may stand behind several convolutions
    for site in chosen:
        if site.norm is not None and site.norm_name is not None and site.norm not in made:
            check_replaceable(site.norm_name, site.norm)
            made[site.norm] = _made(make_norm, site)
    for site in {site.norm: site for site in chosen}.values():
        if site.norm is not None and site.norm_name is not None:
            replace_norm(model, site.norm_name, made[site.norm], site.conv.weight)
    return [replace(site, norm=made[site.norm]) for site in chosen if site.norm is not None]


def describe(model: nn.Module, shortcuts: Iterable[str] = SHORTCUTS) -> str:
    """A line for each counted convolution: number, name, channels, and the norm behind it."""
    sites = convolution_sites(model, shortcuts)
    width = max((len(site.conv_name) for site in sites), default=0)
    lines = []
    for site in sites:
        norm = '-' if site.norm is None else type(site.norm).__name__
        if isinstance(site.norm, SwitchWhiten):
            norm += f'({", ".join(site.norm.statistics)})'
        lines.append(f'{site.index:4d}  {site.conv_name:{width}}  {site.conv.out_channels:5d}  {norm}')
    switching = sum(isinstance(module, SwitchWhiten) for module in model.modules())
    return '\n'.join([*lines, f'{len(sites)} convolutions, {switching} switchable norms in {type(model).__name__}'])


def _made(make_norm: Callable[[int], nn.Module], site: Site) -> nn.Module:
    channels = site.conv.out_channels
    try:
        return make_norm(channels)
    except ValueError as error:
        size = largest_group_size(channels, 16)
        raise ValueError(
            f'behind {site.conv_name}: {error}. `make_norm` is asked for each number of channels: with '
            f'group_size=largest_group_size(channels, 16), which is {size} here, SW fits all'
        ) from error


def _way_out(model: nn.Module, sites: list[Site]) -> str:
    """What to do where norms are missing behind convolutions."""
    if not any(is_norm(module) for module in model.modules()):
        return f'{type(model).__name__} has no BatchNorm, InstanceNorm or GroupNorm to replace: build it with one'
    in_front = 'norms in front of convolutions, as with pre-activation, are replaced by convert(model, where=...)'
    if all(site.norm is None for site in sites):
        return in_front
    return (
        'build the model with a norm there; or leave them out of `where`, with every(k, exclude=...) and a part of '
        'their names, or with `lambda site: site.norm is not None and every(k)(site)`; ' + in_front
    )


def _pairs(model: nn.Module) -> Iterator[_Pair]:
    """Every convolution with the norm behind it, parents first to last in the order of registration."""

    def walk(parent: nn.Module, prefix: str) -> Iterator[_Pair]:
        listed = dict(parent.named_children())
        # a norm stands behind every convolution that has it, also under a second name in the same parent
        children = [
            (name, child)
            for name, child in parent._modules.items()
            if child is not None and (name in listed or is_norm(child))
        ]
        for position, (name, child) in enumerate(children):
            if isinstance(child, _CONVOLUTIONS):
                norm = _following_norm(children[position + 1 :], child.out_channels)
                yield prefix + name, child, prefix + norm[0] if norm else None, norm[1] if norm else None
            elif not any(kind.__name__ in _GATES for kind in type(child).__mro__):
                beside = _norms_beside(child, children[position + 1 :])
                for inner, conv, norm_name, module in walk(child, f'{prefix}{name}.'):
                    if beside is None:
                        yield inner, conv, norm_name, module
                    else:
                        last = inner.rpartition('.')[2]
                        yield inner, conv, f'{prefix}{beside[0]}.{last}', beside[1].get_submodule(last)

    return walk(model, '')


def _norms_beside(convolutions: nn.Module, siblings: list[tuple[str, nn.Module]]) -> tuple[str, nn.Module] | None:
    """The list of norms after a list of convolutions, one for each; None where they are no such lists."""
    if not (siblings and isinstance(convolutions, nn.ModuleList) and len(convolutions)):
        return None
    name, norms = siblings[0]
    if not isinstance(norms, nn.ModuleList) or len(norms) != len(convolutions):
        return None
    fit = all(
        isinstance(conv, _CONVOLUTIONS) and _following_norm([('', norm)], conv.out_channels)
        for conv, norm in zip(convolutions, norms, strict=True)
    )
    return (name, norms) if fit else None


def _following_norm(siblings: list[tuple[str, nn.Module]], channels: int) -> tuple[str, nn.Module] | None:
    for name, sibling in siblings:
        if is_norm(sibling):
            count = getattr(sibling, 'num_features', None) or getattr(sibling, 'num_channels', None)
            lazy = isinstance(sibling, LazyModuleMixin)  # whose channels are not known yet
            return (name, sibling) if lazy or count == channels else None
        if any(isinstance(module, _CONVOLUTIONS) for module in sibling.modules()):
            return None
    return None


def _by_name(sites: list[Site], names: Iterable[str]) -> list[Site]:
    names = [names] if isinstance(names, str) else list(names)
    by_name = {site.conv_name: site for site in sites}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(f'{unknown} are not convolutions of the model that count; those are {list(by_name)}')
    return [by_name[name] for name in names]
