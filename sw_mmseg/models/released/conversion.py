"""The ImageNet models that the paper's authors released, turned into this package's.

What a released SW layer computes in evaluation, w and w' being the softmax of its two weights, K covariances and σ_ln
the variance of an image over channels and pixels:

    two statistics    Σ̂ = w'₀ K_running + w'₁ K_image + eps I                                     Ω = {bw, iw}
    three             ... + w'₂ σ_ln I                                                            Ω = {bw, iw, ln}
    five              Σ̂ = w'₀ (K + diag K)_running + w'₁ (K + diag K)_image + w'₄ σ_ln I + eps I   all of Ω

The first two are this package's equations: values move as they are. Their running covariance has no eps, as ours, and
is the biased one, which matters to further training only (for batches of n pixels ours is n / (n − 1) times as large).

With five, the diagonals take the weights of the full matrices, so that those do not sum to one but to
s = 2w'₀ + 2w'₁ + w'₄. Since (sΣ)^(−1/2) = s^(−1/2) Σ^(−1/2), also for Newton's iteration, this is our layer with logits
in the order 0, 1, 0, 1, 4 and γ / √s; eps, which would become eps / s, is restored by eps (1 − s) / (2 w'₀) on the
diagonal of the running covariance. Means are weighed as in the paper, so a tied layer becomes one that is not tied.

What is left: their σ_ln divides by n − 1, ours by n, the number of an image's values in that layer.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sw_mmseg.models.released.layout import (
    LAYOUTS,
    RELEASED,
    Shapes,
    classifier,
    convolutions,
    norms,
    rename,
    switch_layers,
    torchvision_name,
)

__all__ = ['EXPECTED_ERROR', 'Released', 'ReleasedError', 'convert_released', 'released_norms']

# top-1 and top-5 error in percent on ImageNet's validation set, one crop of 224 pixels, as published with the files
EXPECTED_ERROR = {
    'resnet50': (22.07, 6.04),
    'resnet101': (20.87, 5.54),
    'densenet121': (23.56, 6.85),
    'densenet169': (22.48, 6.29),
}
_STATISTICS = {2: ('bw', 'iw'), 3: ('bw', 'iw', 'ln'), 5: ('bw', 'iw', 'bn', 'in', 'ln')}
_EPS = 1e-5  # of every layer in their networks


class ReleasedError(ValueError):
    """A file that is not one of the released models; the text lists the keys."""


class Released(NamedTuple):
    """A converted model: architecture, state dict, and what its SW layers have to be built with, 'type' included."""

    arch: str
    state: dict[str, Tensor]
    norm_cfg: dict[str, Any]


class _Kind(NamedTuple):
    """What all SW layers of a file share."""

    statistics: int
    tied: bool
    group: int  # channels


def convert_released(state: Mapping[str, Tensor], arch: str | None = None, layout: str = 'mmpretrain') -> Released:
    """The same network under this package's keys. `state` is left as it is.

    Args:
        state: their state dict; names may begin with 'module.'.
        arch: one of `RELEASED`; None finds it from the convolutions.
        layout: 'mmpretrain' (a whole classifier, whose `backbone.` part mmseg and mmdet read), 'backbone' (that part
            alone, without its prefix) or 'torchvision' (torchvision's and timm's names).

    Raises:
        ReleasedError: a key too many or too few, a value of another shape or not finite, SW layers that differ in kind.
        ValueError: an unknown arch or layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f'layout={layout!r}: choose one of {list(LAYOUTS)}')
    if arch is not None and arch not in RELEASED:
        raise ValueError(f'arch={arch!r}: choose one of {sorted(RELEASED)}')
    state = {str(key).removeprefix('module.'): value for key, value in state.items()}
    strange = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if strange:
        raise ReleasedError(f'not a state dict: {_few(strange)} are not tensors')
    arch = arch or _recognise(state)
    kind = _kind(state, arch)
    _verify(state, arch, kind)

    converted = dict(state)
    for name in switch_layers(arch):
        entries = {key.rpartition('.')[2]: converted.pop(key) for key in state if key.rpartition('.')[0] == name}
        converted |= {f'{torchvision_name(name)}.{key}': value for key, value in _convert_layer(entries).items()}
    for name in norms(arch):  # files of old versions of torch, and SW layers, do not count batches
        converted.setdefault(f'{name}.num_batches_tracked', torch.zeros((), dtype=torch.long))
    renamed = {rename(key, arch, layout): value for key, value in converted.items()}
    renamed.pop(None, None)
    norm_cfg = {
        'type': 'SW',
        'statistics': list(_STATISTICS[kind.statistics]),
        'group_size': kind.group,
        'eps': _EPS,
        'tie_weights': kind.tied and kind.statistics != 5,
    }
    return Released(arch, renamed, norm_cfg)


def released_norms(arch: str, layout: str = 'torchvision') -> list[str]:
    """Names, in `layout`, of the norms that are SW in a released model, in the order of the network."""
    return [rename(f'{torchvision_name(name)}.', arch, layout).removesuffix('.') for name in switch_layers(arch)]


def _convert_layer(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of one of their layers as those of `SwitchWhiten2d`."""
    mean_logits = entries['sw_mean_weight']
    cov_logits = entries.get('sw_var_weight', mean_logits)
    weight, cov = entries['weight'], entries['running_cov']
    if mean_logits.numel() == 5:
        cov_logits, weight, cov = _five_statistics(cov_logits, weight, cov)
    return {
        'weight': weight,
        'bias': entries['bias'],
        'mean_logits': mean_logits,
        'cov_logits': cov_logits.clone(),
        'running_mean': entries['running_mean'].flatten(),
        'running_cov': cov,
    }


def _five_statistics(logits: Tensor, weight: Tensor, cov: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, γ and running covariance that give the same with weights that sum to one; see the top of the file."""
    ratios = logits.double().softmax(0)
    total = 2 * ratios[0] + 2 * ratios[1] + ratios[4]
    shift = _EPS * (1 - total) / (2 * ratios[0].clamp_min(1e-12))
    identity = torch.eye(cov.shape[-1], dtype=torch.float64)
    return logits[[0, 1, 0, 1, 4]], (weight / total.sqrt()).to(weight), (cov + shift * identity).to(cov)


def _recognise(state: Mapping[str, Tensor]) -> str:
    """The architecture whose convolutions the file has."""
    names = {key for key, value in state.items() if value.ndim == 4}
    for arch in RELEASED:
        if names == convolutions(arch).keys():
            return arch
    raise ReleasedError(
        f'not a released model: the convolutions are those of none of {sorted(RELEASED)}. '
        f'The keys are {_few(sorted(state))}'
    )


def _kind(state: Mapping[str, Tensor], arch: str) -> _Kind:
    """What all SW layers share."""
    kinds = {}
    for name in switch_layers(arch):
        weights, cov = state.get(f'{name}.sw_mean_weight'), state.get(f'{name}.running_cov')
        if weights is None or cov is None or cov.ndim != 3:
            raise ReleasedError(
                f'not the released {arch}: no SW layer {name} in the file. The keys are {_few(sorted(state))}'
            )
        kinds[name] = _Kind(weights.numel(), f'{name}.sw_var_weight' not in state, cov.shape[-1])
    if len(set(kinds.values())) > 1:
        raise ReleasedError(f'the SW layers of one file differ: {kinds}')
    kind = next(iter(kinds.values()))
    if kind.statistics not in _STATISTICS:
        raise ReleasedError(f'SW layers with {kind.statistics} statistics are not known; {sorted(_STATISTICS)} are')
    return kind


def _verify(state: Mapping[str, Tensor], arch: str, kind: _Kind) -> None:
    """No key is missing or unknown, and every value is finite and of its shape. Counters of batches may be missing."""
    expected = _expected(state, arch, kind)
    required = {key for key in expected if not key.endswith('num_batches_tracked')}
    common = [key for key in expected if key in state]
    faults = {
        'lacks': sorted(required - state.keys()),
        'has, unexpected,': sorted(state.keys() - expected.keys()),
        'has in another shape': [
            f'{key} {tuple(state[key].shape)} instead of {expected[key]}'
            for key in common
            if tuple(state[key].shape) != expected[key]
        ],
        'has with values that are not finite': [key for key in common if not torch.isfinite(state[key]).all()],
    }
    sentences = [f'{fault} {", ".join(keys)}' for fault, keys in faults.items() if keys]
    if sentences:
        raise ReleasedError(f'not the released {arch}: the file {"; it ".join(sentences)}')


def _expected(state: Mapping[str, Tensor], arch: str, kind: _Kind) -> Shapes:
    """Every key of the file and its shape; of the classifier, the file says how many classes it has."""
    head, features = classifier(arch)
    weight = state.get(f'{head}.weight')
    classes = weight.shape[0] if weight is not None and weight.ndim else 0
    shapes = {**convolutions(arch), f'{head}.weight': (classes, features), f'{head}.bias': (classes,)}
    switch = {torchvision_name(name): name for name in switch_layers(arch)}
    for name, channels in norms(arch).items():
        entries = dict.fromkeys(('weight', 'bias'), (channels,))
        if name in switch:
            groups = (channels // kind.group, kind.group)
            entries |= {'running_mean': (*groups, 1), 'running_cov': (*groups, kind.group)}
            entries |= dict.fromkeys(('sw_mean_weight', *([] if kind.tied else ['sw_var_weight'])), (kind.statistics,))
        else:
            entries |= {'running_mean': (channels,), 'running_var': (channels,), 'num_batches_tracked': ()}
        shapes |= {f'{switch.get(name, name)}.{key}': shape for key, shape in entries.items()}
    return shapes


def _few(keys: list[str], limit: int = 12) -> str:
    return ', '.join(keys[:limit]) + (f' and {len(keys) - limit} more' if len(keys) > limit else '')
