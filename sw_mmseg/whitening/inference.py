"""A layer in evaluation mode in as few operations as it takes, for graphs that leave Python (ONNX, TorchScript).

What does not depend on the image is computed once, in fp64: the ratios of Equation 6, and the part of μ̂ and Σ̂ that
running statistics have. What is left is the image's own moments, Newton's iteration and one product. The iteration
runs on H = Σ̂ / (2 tr Σ̂) and Y/2 instead of Σ_N and Y, so that M = 1.5 I − Z (Y/2) is one product and one subtraction:
the polynomial of Equation 7 without its scalings. Nothing depends on the size or number of images, and no operation
asks for a shape that only a run knows, which ONNX would express by an `If`.

`torch.nn.Module.forward` of the layer itself, followed by a tracer, gives the same values in ten times as many nodes.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from .autograd import full_precision
from .conversion import foreign_hooks, parts_after
from .layer import SwitchWhiten
from .maths import BATCH, INSTANCE, compute_dtype, inverse_sqrt
from .tracing import is_exported

__all__ = ['InferenceWhiten', 'for_inference']


class InferenceWhiten(nn.Module):
    """What `layer` computes in evaluation mode, for inputs (N, C, *) and without a gradient of its own statistics.

    Args:
        layer: in evaluation mode, with at least one statistic of the image ('iw', 'in', 'ln'): layers without one fold.

    Attributes:
        sample_ratio: what multiplies the image's covariance elementwise, (D, D).
        batch_cov: what running statistics and eps add to Σ̂, (1, G or 1, D, D).
        batch_ratio, batch_mean: ω of the running mean, 0-d, and that mean, (1, G, D, 1); zeros where Ω has none.
        layer_ratios: ω_ln and ω'_ln, (2,); zeros where Ω has none.
        weight, bias: γ and β, (1, G, D, 1).

    Raises:
        ValueError: the layer is in training mode, takes the batch's statistics also in evaluation, has no statistic of
            the image, or has hooks or a `forward` of a class derived from it.
    """

    sample_ratio: Tensor
    batch_cov: Tensor
    batch_ratio: Tensor
    batch_mean: Tensor
    layer_ratios: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, layer: SwitchWhiten) -> None:
        super().__init__()
        _check(layer)
        self.groups, self.group_size = layer.num_features // layer.group_size, layer.group_size
        self.words, self.inverse_sqrt, self.iterations = layer.statistics, layer.inverse_sqrt, layer.iterations
        self._settings = layer.settings()
        for name, value in _constants(layer).items():
            self.register_buffer(name, value.to(compute_dtype(layer.mean_logits)))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """y (N, C, *)."""
        with full_precision(x.device):
            # of a batch of no images torch cannot tell it; asking for it would be operations more in a program
            pixels = -1 if is_exported() else math.prod(x.shape[2:])
            slices = x.reshape(x.shape[0], self.groups, self.group_size, pixels).to(compute_dtype(x))  # N G D L
            mean = slices.mean(-1, keepdim=True)  # N G D 1
            centred = slices - mean
            matrix = self.weight * self._root(self._mixed(centred, mean))  # N G D D
            vector = self._times(matrix, self._offset(mean)) + self.bias  # N G D 1
            return (self._times(matrix, centred) + vector).reshape(x.shape).to(x.dtype)

    def _mixed(self, centred: Tensor, mean: Tensor) -> Tensor:
        """Σ̂ (N, G, D, D)."""
        if self.group_size == 1:
            cov = centred.square().mean(-1, keepdim=True)
        else:
            cov = centred @ centred.transpose(-2, -1) / centred.shape[-1]
        mixed = self.sample_ratio * cov + self.batch_cov
        if 'ln' in self.words:
            between = (mean - mean.mean((1, 2), keepdim=True)).square().mean((1, 2), keepdim=True)  # N 1 1 1
            identity = torch.eye(self.group_size, dtype=cov.dtype, device=cov.device)
            within = (cov * identity).sum((1, 2, 3), keepdim=True) / (self.groups * self.group_size)
            mixed = mixed + self.layer_ratios[1] * (between + within) * identity
        return mixed

    def _root(self, mixed: Tensor) -> Tensor:
        """Σ̂^(−1/2), as `maths.inverse_sqrt` has it."""
        if self.group_size == 1 or self.inverse_sqrt != 'newton':
            return inverse_sqrt(mixed, self._settings)[0]
        identity = torch.eye(self.group_size, dtype=mixed.dtype, device=mixed.device)
        twice = (mixed * (2 * identity)).sum((-2, -1), keepdim=True)  # 2 tr Σ̂
        half = mixed / twice
        start = 1.5 * identity
        z = start - half
        y = half @ z
        for step in range(1, self.iterations):
            m = start - z @ y
            z = m @ z
            if step + 1 < self.iterations:
                y = y @ m
        return z / (0.5 * twice).sqrt()

    def _offset(self, mean: Tensor) -> Tensor:
        """μ − μ̂ (N, G, D, 1)."""
        offset = self.batch_ratio * (mean - self.batch_mean)
        if 'ln' in self.words:
            offset = offset + self.layer_ratios[0] * (mean - mean.mean((1, 2), keepdim=True))
        return offset

    def _times(self, matrix: Tensor, slices: Tensor) -> Tensor:
        return matrix * slices if self.group_size == 1 else matrix @ slices

    def extra_repr(self) -> str:
        """Channels, Ω and D."""
        return f'{self.groups * self.group_size}, statistics={self.words}, group_size={self.group_size}'


def for_inference(model: nn.Module) -> nn.Module:
    """A copy of `model`, in evaluation mode, whose switchable layers with statistics of the image are each an
    `InferenceWhiten`; those with running statistics alone stay, since `fold_model` makes convolutions of them.

    Raises:
        ValueError: as `InferenceWhiten`, with the layer's name.
    """
    model = copy.deepcopy(model)
    layers = {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, SwitchWhiten) and not INSTANCE.isdisjoint(module.statistics)
    }
    for name, layer in layers.items():
        try:
            ready: nn.Module = InferenceWhiten(layer)
        except ValueError as error:
            raise ValueError(f'{name or type(layer).__name__}: {error}') from error
        parts = [part for part in parts_after(layer).values() if not isinstance(part, nn.Identity)]
        ready = nn.Sequential(ready, *parts).eval() if parts else ready
        if not name:
            return ready
        parent, _, child = name.rpartition('.')
        setattr(model.get_submodule(parent), child, ready)
    return model


def _check(layer: SwitchWhiten) -> None:
    if layer.training:
        raise ValueError('the layer is in training mode, where statistics are those of the batch: call .eval() first')
    if INSTANCE.isdisjoint(layer.statistics):
        raise ValueError(f'statistics {layer.statistics} do not depend on the image: fold the layer (fold_model)')
    if not BATCH.isdisjoint(layer.statistics) and layer.running_mean is None:
        raise ValueError('it has no running statistics (track_running_stats=False): those of the batch are not fixed')
    if foreign_hooks(layer) or type(layer).forward is not SwitchWhiten.forward:
        work = foreign_hooks(layer) or f'{type(layer).__name__}.forward'
        raise ValueError(f'the layer does more than whiten: {work}. Remove it first')


@torch.no_grad()
def _constants(layer: SwitchWhiten) -> dict[str, Tensor]:
    """The buffers of `InferenceWhiten`, in fp64."""
    words, size = layer.statistics, layer.group_size
    groups = layer.num_features // size
    device = layer.mean_logits.device
    of_mean, of_cov = (dict(zip(words, logits.double().softmax(0))) for logits in (layer.mean_logits, layer.cov_logits))
    zero = torch.zeros((), dtype=torch.float64, device=device)
    identity = torch.eye(size, dtype=torch.float64, device=device)
    running = layer.running_moments(torch.float64)
    batch_cov = layer.eps * identity.expand(1, 1, size, size)
    batch_mean = torch.zeros(1, groups, size, 1, dtype=torch.float64, device=device)
    if running is not None:
        full, diagonal = of_cov.get('bw', zero), of_cov.get('bn', zero)
        batch_cov = batch_cov + (full + diagonal * identity) * running.cov
        batch_mean = running.mean.unsqueeze(-1)
    ones = torch.ones_like(batch_mean)
    return {
        'sample_ratio': of_cov.get('iw', zero) + of_cov.get('in', zero) * identity,
        'batch_cov': batch_cov,
        'batch_ratio': of_mean.get('bw', zero) + of_mean.get('bn', zero),
        'batch_mean': batch_mean,
        'layer_ratios': torch.stack([of_mean.get('ln', zero), of_cov.get('ln', zero)]),
        'weight': ones if layer.weight is None else layer.weight.double().view_as(ones),
        'bias': 0 * ones if layer.bias is None else layer.bias.double().view_as(ones),
    }
