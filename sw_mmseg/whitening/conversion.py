"""A norm in another norm's place, and SW in place of every BatchNorm of a model, whoever wrote it.

    model = timm.create_model('regnetx_004')        # or any of torchvision
    convert(model)                                  # every BatchNorm is now SW; trained weights are taken over

The paper replaces a few norms only, to save computation (`place_norm`). Where groups of 16 do not divide a layer's
channels, as in MobileNets and RegNets, that layer takes the largest groups below 16 that do: of 12 for 24 channels, of
10 for 40, and of 1, plain standardisation, for a prime number of channels.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # private: all BatchNorms, of whatever rank
from torch.nn.modules.lazy import LazyModuleMixin

from .layer import SwitchWhiten, SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

__all__ = [
    'check_replaceable',
    'convert',
    'convert_sync_batchnorm',
    'foreign_hooks',
    'largest_group_size',
    'parts_after',
    'replace_norm',
]

_LOGGER = logging.getLogger(__name__)
_Norm = TypeVar('_Norm', bound=nn.Module)
_KNOWN = ('torch', 'timm', 'sw_mmseg')  # packages whose norms do nothing else
_AFTER = ('drop', 'act')  # what timm's BatchNormAct2d applies behind the normalisation, in this order


def convert(
    model: nn.Module, group_size: int = 16, where: Callable[[str, nn.Module], bool] | None = None, **options: Any
) -> dict[str, SwitchWhiten]:
    """Puts SW in place of every BatchNorm of `model`, in place; returns the new layers by name.

    What a norm hands on is said at `replace_norm`; a norm that stands in several places remains one.

    Args:
        model: its BatchNorms are `torch.nn`'s or derived from them. SW layers in it stay as they are.
        group_size: the most channels that are whitened together, see above.
        where: chooses by name and norm; None takes every BatchNorm. One with several names is asked about by the first.
        options: of `SwitchWhiten2d`, such as `statistics`.

    Raises:
        ValueError: `model` is itself a BatchNorm, none was chosen, one cannot be replaced, see `replace_norm`, or
            `group_size` is below 1. The model is unchanged then.
    """
    chosen = {
        name: norm
        for name, norm in model.named_modules()
        if isinstance(norm, _BatchNorm) and not isinstance(norm, SwitchWhiten) and (where is None or where(name, norm))
    }
    if not chosen or '' in chosen:
        raise ValueError(f'no BatchNorm chosen inside {type(model).__name__}')
    for name, norm in chosen.items():
        check_replaceable(name, norm)
    sizes = {name: largest_group_size(norm.num_features, group_size) for name, norm in chosen.items()}
    layers = {
        name: _layer_for(norm)(norm.num_features, group_size=sizes[name], **{**_shared(norm), **options})
        for name, norm in chosen.items()
    }
    for name, layer in layers.items():
        replace_norm(model, name, layer)
    smaller = {name: size for name, size in sizes.items() if size != group_size}
    if smaller:
        _LOGGER.info(
            '%d of %d layers have groups of fewer than %d channels: %s', len(smaller), len(layers), group_size, smaller
        )
    return layers


def convert_sync_batchnorm(
    model: nn.Module, process_group: dist.ProcessGroup | None = None, convert: Callable[..., nn.Module] | None = None
) -> nn.Module:
    """torch's `SyncBatchNorm.convert_sync_batchnorm`, or another converter, which leaves SW layers as they are.

    SW synchronises by itself and is a `_BatchNorm`, which converters would replace. Only `convert` is called with the
    model alone; torch's gets the process group too.
    """
    if isinstance(model, SwitchWhiten):
        return model
    aside = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()  # `named_children` gives a layer of two names by its first alone
        if isinstance(child, SwitchWhiten)
    ]
    for parent, name, _ in aside:
        setattr(parent, name, nn.Identity())
    try:
        if convert is not None:
            return convert(model)
        return nn.SyncBatchNorm.convert_sync_batchnorm(model, process_group)
    finally:
        for parent, name, child in aside:
            setattr(parent, name, child)


def largest_group_size(channels: int, limit: int) -> int:
    """The largest divisor of `channels` that is not above `limit`.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f'groups have at least 1 channel, got {limit}: the paper has 16, and 1 whitens nothing')
    return next(size for size in range(min(channels, limit), 0, -1) if channels % size == 0)


def replace_norm(model: nn.Module, name: str, norm: _Norm, like: Tensor | None = None) -> _Norm:
    """Puts `norm` in place of the norm called `name` and returns it.

    It takes over parameters, statistics, device, dtype and mode, and stands wherever the old one stood in `model`.
    Where they fit, its parameters are the old one's own: what two norms share they go on sharing, and an optimiser
    that has them still moves them. What was frozen stays frozen: a parameter without gradient, and of a norm whose
    parameters all have none, the switches too. A norm without any tensors has neither device nor dtype: those are of
    `like` then, or stay what they are. A replaced norm without affine parameters leaves the new one's as they were
    made; the activation that timm's norms apply behind themselves stays behind the new one. Of a switchable layer
    another norm takes the variances, which are the diagonals of its covariances.

    Raises:
        AttributeError: no such module.
        ValueError: the norm has hooks, a `forward` of its own, or modules inside that are not such an activation; they
            would be lost. Or it does not know its channels yet.
    """
    old = model.get_submodule(name)
    check_replaceable(name, old)
    entries = old.state_dict()
    reference = next((tensor for tensor in entries.values() if tensor.is_floating_point()), like)
    if reference is not None:
        norm = norm.to(device=reference.device, dtype=reference.dtype)
    if isinstance(old, SwitchWhiten) and not isinstance(norm, SwitchWhiten) and old.running_cov is not None:
        entries['running_var'] = old.running_cov.diagonal(dim1=-2, dim2=-1).flatten()
    # SW reads a variance as the diagonal of its covariance; a norm made of others splits what it gets; torch's
    # InstanceNorm refuses what it has not
    keys = {*norm.state_dict(), *(('running_var',) if isinstance(norm, SwitchWhiten) else ())}
    state = {key: value for key, value in entries.items() if key in keys or any(norm.children())}
    if state:
        norm.load_state_dict(state, strict=False)
    norm.train(old.training)
    _share(old, norm)
    _freeze_alike(old, norm)
    if parts_after(old):
        for part, module in parts_after(old).items():
            norm.add_module(part, module)
        norm.register_forward_hook(_apply_activation)
    for place in [place for place, module in model.named_modules(remove_duplicate=False) if module is old]:
        parent, _, last = place.rpartition('.')
        setattr(model.get_submodule(parent), last, norm)
    return norm


def parts_after(norm: nn.Module) -> dict[str, nn.Module]:
    """The modules inside `norm` that work on its output, in their order."""
    return {part: norm.get_submodule(part) for part in _AFTER if isinstance(getattr(norm, part, None), nn.Module)}


def foreign_hooks(module: nn.Module) -> list[str]:
    """The names of hooks of a call that others put on `module`, for which torch has no public question; and a `forward`
    in front of its class's."""
    hooks = (
        *module._forward_pre_hooks.values(),
        *module._forward_hooks.values(),
        *module._backward_hooks.values(),
        *module._backward_pre_hooks.values(),
    )
    names = [getattr(hook, '__name__', repr(hook)) for hook in hooks if hook is not _apply_activation]
    return names + ['a forward assigned to it'] * ('forward' in vars(module))


def check_replaceable(name: str, norm: nn.Module) -> None:
    """Raises `ValueError` where something of `norm` would be lost with it."""
    if isinstance(norm, LazyModuleMixin):
        raise ValueError(
            f'{name}, a {type(norm).__name__}, does not know its channels before it has seen an input: call the model '
            'on one first'
        )
    hooks = foreign_hooks(norm)
    if hooks:
        raise ValueError(
            f'{name} has hooks that the new norm would not have: {hooks}. Remove them first, and register '
            'them on the new norm'
        )
    doer = next((kind for kind in type(norm).__mro__ if 'forward' in vars(kind)), nn.Module)
    if doer.__module__.partition('.')[0] not in _KNOWN and not parts_after(norm):
        raise ValueError(
            f'{name} does more than normalise, which the new norm would not do: {doer.__name__}.forward. Leave it out, '
            'or put a plain norm there first'
        )
    inside = [child for child, _ in norm.named_children() if child not in parts_after(norm)]
    if inside:
        raise ValueError(
            f'{name}, a {type(norm).__name__}, has modules inside that the new norm would not have: '
            f'{inside}. Leave it out, or take them out of it first'
        )


def _share(old: nn.Module, norm: nn.Module) -> None:
    for name in ('weight', 'bias'):
        before, now = old._parameters.get(name), norm._parameters.get(name)
        if before is None or now is None:
            continue
        if (before.shape, before.dtype, before.device) == (now.shape, now.dtype, now.device):
            setattr(norm, name, before)


def _freeze_alike(old: nn.Module, norm: nn.Module) -> None:
    before = dict(old.named_parameters(recurse=False))
    frozen = before and not any(parameter.requires_grad for parameter in before.values())
    for name, parameter in norm.named_parameters():
        last = name.rpartition('.')[2]
        parameter.requires_grad_(before[last].requires_grad if last in before else not frozen)
    for part in norm.modules():
        if isinstance(old, _BatchNorm) and isinstance(part, _BatchNorm) and old.running_mean is not None:
            part.track_running_stats &= old.track_running_stats


def _shared(norm: _BatchNorm) -> dict[str, Any]:
    shared = {
        'eps': norm.eps,
        'momentum': norm.momentum,
        'affine': norm.affine,
        'track_running_stats': norm.running_mean is not None,
    }
    return {**shared, 'process_group': norm.process_group} if isinstance(norm, nn.SyncBatchNorm) else shared


def _layer_for(norm: _BatchNorm) -> type[SwitchWhiten]:
    """SW for inputs of the same rank. SyncBatchNorm takes any; in images' networks it stands for two dimensions."""
    if isinstance(norm, nn.BatchNorm1d):
        return SwitchWhiten1d
    return SwitchWhiten3d if isinstance(norm, nn.BatchNorm3d) else SwitchWhiten2d


def _apply_activation(norm: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
    for module in parts_after(norm).values():
        output = module(output)
    return output
