"""A layer in evaluation mode as a convolution: Equation 5 with statistics that no longer depend on the image.

With μ̂ and Σ̂ fixed, y = A x + b is a 1×1 convolution in G groups, A = γ Σ̂^(−1/2) and b = β − A μ̂, and joins a
convolution W, c before it as A W, A c + b. Statistics of an image cannot be fixed: a layer that has them folds only
where their ratios add up to no more than a threshold. They are left out then, the others keep their proportions, and a
report says how much was left out and, for an example input, what that changed. Nothing given is changed. An activation
that came with a norm of timm (`replace_norm`) stays behind the convolution, as a module of its own.
"""

import copy
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .conversion import foreign_hooks, parts_after
from .fold_error import Measured, error_of, measured
from .joining import SampleConv1d, fitting, joined
from .layer import SwitchWhiten, SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d
from .maths import BATCH, inverse_sqrt, mix
from .readers import sole_readers

__all__ = ['FoldReport', 'fold', 'fold_into', 'fold_model']

_CONVOLUTIONS: dict[type[SwitchWhiten], type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {
    SwitchWhiten1d: SampleConv1d,
    SwitchWhiten2d: nn.Conv2d,
    SwitchWhiten3d: nn.Conv3d,
}


class FoldReport(NamedTuple):
    """What folding a layer left out, and what that did."""

    mean_ratio: float  # of the image statistics together, in μ̂
    cov_ratio: float  # and in Σ̂
    error: float | None = None  # max |folded − layer| / max |layer| on the example; None without one
    name: str | None = None  # of the layer in its model
    into: str | None = None  # of the convolution that took it in; None where it became one of its own

    def __str__(self) -> str:
        where = 'a grouped 1×1 convolution' if self.into is None else f'folded into {self.into}'
        error = 'not measured' if self.error is None else f'{self.error:.1e}'
        return (
            f'{self.name or "layer"}: {where}; image ratios left out: {self.mean_ratio:.1e} of the mean, '
            f'{self.cov_ratio:.1e} of the covariance; relative error {error}'
        )


def fold(layer: nn.Module, threshold: float = 0.0, example: Tensor | None = None) -> tuple[nn.Module, FoldReport]:
    """A `Conv1d`, `Conv2d` or `Conv3d` of kernel 1 in place of `layer`, in its dtype and on its device; with the
    activation behind it, as a `Sequential`, where the layer has one inside. The `Conv1d` takes (N, C), too, as the
    layer does.

    Args:
        layer: a switchable layer in evaluation mode.
        threshold: image statistics whose ratios sum to at most this, in the mean and in the covariance, are left out.
        example: an input of the layer, to measure what that does.

    Raises:
        ValueError: the layer is in training mode, has no running statistics, leans on image statistics too much, or has
            hooks or a `forward` of a class derived from it, which the convolution would not have.
    """
    matrix, vector, report = _fixed_map(layer, threshold)
    kind = next(convolution for cls, convolution in _CONVOLUTIONS.items() if isinstance(layer, cls))
    channels, logits = vector.numel(), layer.get_parameter('mean_logits')
    conv = kind(channels, channels, 1, groups=len(matrix), device='meta', dtype=logits.dtype)
    conv = conv.to_empty(device=logits.device).eval()  # no random values are drawn that others would miss
    with torch.no_grad():
        conv.weight.copy_(matrix.reshape(conv.weight.shape))
        conv.get_parameter('bias').copy_(vector)
    folded = _with_activation(conv, layer)
    return folded, report if example is None else report._replace(error=error_of(folded, layer, example))


def fold_into(
    conv: nn.Module, layer: nn.Module, threshold: float = 0.0, example: Tensor | None = None
) -> tuple[nn.Module, FoldReport]:
    """A copy of `conv` that does what `conv`, then `layer` do; `example` is an input of `conv`. Otherwise as `fold`.

    For a 1-d layer `conv` may also be a `Linear`, whose inputs are (N, C) then.

    Raises:
        TypeError: `conv` is not a plain `Conv1d`, `Conv2d`, `Conv3d` or `Linear`, whose weight is all there is to it.
        ValueError: as `fold`; or the two do not fit, in channels or because groups of the layer reach over several
            groups of the convolution.
    """
    both, report = _fold_into(conv, layer, threshold)
    folded = _with_activation(both, layer)
    if example is not None:
        report = report._replace(error=error_of(folded, nn.Sequential(conv, layer), example))
    return folded, report


def _fold_into(before: nn.Module, layer: nn.Module, threshold: float) -> tuple[nn.Module, FoldReport]:
    fit = fitting(before, layer)
    matrix, vector, report = _fixed_map(layer, threshold)
    return joined(fit, matrix, vector), report


def _with_activation(conv: nn.Module, layer: nn.Module) -> nn.Module:
    """`conv`, and behind it copies of the modules that `layer` applies to its output."""
    parts = [copy.deepcopy(part) for part in parts_after(layer).values() if not isinstance(part, nn.Identity)]
    return nn.Sequential(conv, *parts).eval() if parts else conv


def fold_model(
    model: nn.Module, threshold: float = 0.0, example: Tensor | None = None, strict: bool = True
) -> tuple[nn.Module, list[FoldReport]]:
    """A copy of `model` (in evaluation mode) without switchable layers, and a report on each.

    A layer whose input is the output of a convolution that nothing else reads joins that convolution and leaves an
    `Identity`; any other becomes a 1×1 convolution. Who reads what is found by `torch.fx`; in a model that it cannot
    trace every layer becomes a 1×1 convolution. A 1-d layer also joins a `Linear` where it receives (N, C), which an
    example has to show.

    Args:
        example: an input of the model; the error of each layer is measured on what it receives then.
        strict: False leaves layers that cannot fold as they are, without a report, if any other can.

    Raises:
        ValueError: no switchable layer, or with `strict` one that cannot fold; all such layers are named.
    """
    layers = {
        name: module for name, module in model.named_modules(remove_duplicate=False) if isinstance(module, SwitchWhiten)
    }
    if not layers:
        raise ValueError(f'{type(model).__name__} has no switchable layer to fold')
    ready = _fold_each(layers, threshold, strict)
    if '' in ready:
        return ready[''][0], [fold(model, threshold, example)[1]]
    convolutions = {name: module for name, (module, _) in ready.items()}
    seen = {} if example is None else measured(model, layers, convolutions, example)
    pairs = sole_readers(model, (SwitchWhiten,))
    folded, reports = copy.deepcopy(model), []
    for name, (conv, report) in ready.items():
        look = seen.get(name, Measured())
        before = _joinable(model, pairs.get(name), layers[name], look.rank)
        if before is not None:
            _set(folded, before, _fold_into(model.get_submodule(before), layers[name], threshold)[0])
            conv = _with_activation(nn.Identity(), layers[name])
        _set(folded, name, conv)
        reports.append(report._replace(error=look.error, name=name, into=before))
    return folded, reports


def _fold_each(
    layers: Mapping[str, nn.Module], threshold: float, strict: bool
) -> dict[str, tuple[nn.Module, FoldReport]]:
    """A convolution for each layer that can fold. Raises `ValueError` if none can, or with `strict` if one cannot."""
    ready, errors = {}, []
    for name, layer in layers.items():
        try:
            ready[name] = fold(layer, threshold)
        except ValueError as error:
            errors.append(f'{name}: {error}')
    if errors and (strict or not ready):
        raise ValueError('cannot fold ' + '; '.join(errors) + ('. strict=False folds the others' if ready else ''))
    return ready


def _fixed_map(layer: nn.Module, threshold: float) -> tuple[Tensor, Tensor, FoldReport]:
    """A (G, D, D) and b (C,) in fp64."""
    if not isinstance(layer, SwitchWhiten):
        raise TypeError(f'expects a switchable layer such as SwitchWhiten2d, got {type(layer).__name__}')
    if not 0 <= threshold < 1:
        raise ValueError(f'threshold is a sum of ratios, at least 0 and less than 1; got {threshold}')
    kept = [index for index, word in enumerate(layer.statistics) if word in BATCH]
    running = layer.running_moments(torch.float64)
    if not kept:
        raise ValueError(f'statistics {layer.statistics} are those of each image, which no convolution computes')
    if running is None:
        raise ValueError('it has no running statistics (track_running_stats=False): those of the batch are not fixed')
    if foreign_hooks(layer) or type(layer).forward is not SwitchWhiten.forward:
        work = foreign_hooks(layer) or f'{type(layer).__name__}.forward'
        raise ValueError(f'the layer does more than whiten, which no convolution would do: {work}. Remove it first')
    if layer.training:
        raise ValueError('the layer is in training mode, where statistics are those of the batch: call .eval() first')
    ratios = [logits.detach().double().softmax(0) for logits in (layer.mean_logits, layer.cov_logits)]
    dropped = [index for index in range(len(layer.statistics)) if index not in kept]
    of_mean, of_cov = (ratio[dropped].sum().item() for ratio in ratios)
    if max(of_mean, of_cov) > threshold:
        raise ValueError(
            f'its image statistics have {of_mean:.2g} of the mean and {of_cov:.2g} of the '
            f'covariance, more than threshold={threshold:g}: raise it to fold with that error'
        )
    words = [layer.statistics[index] for index in kept]
    mean_ratios, cov_ratios = (ratio[kept] / ratio[kept].sum() for ratio in ratios)
    mean, cov = mix(words, mean_ratios, cov_ratios, None, running, layer.eps)
    matrix = inverse_sqrt(cov, layer.settings())[0].squeeze(0)
    mean = mean.view(*matrix.shape[:2], 1)  # G D 1
    if layer.weight is not None:
        matrix = matrix * layer.weight.detach().double().view_as(mean)
    vector = -(matrix @ mean).flatten()
    if layer.bias is not None:
        vector = vector + layer.bias.detach().double()
    return matrix, vector, FoldReport(of_mean, of_cov)


def _joinable(model: nn.Module, before: str | None, layer: nn.Module, rank: int | None) -> str | None:
    """`before`, if the layer can join the module of that name; a Linear only where the example came as (N, C)."""
    if before is None:
        return None
    try:
        fit = fitting(model.get_submodule(before), layer)
    except (TypeError, ValueError):
        return None
    return before if rank == 2 or not isinstance(fit, nn.Linear) else None


def _set(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition('.')
    setattr(model.get_submodule(parent), child, module)
