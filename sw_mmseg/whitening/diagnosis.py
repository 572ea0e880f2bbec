"""How well a layer whitens an input: eigenvalues of Σ̂, residuals of its inverse square root, distance of the output
from white (Equations 4 to 7 of the paper).

Moments are gathered, and everything is judged, in fp64. The two inverse square roots under judgement are computed in
the dtype in which the layer computes, since their rounding is part of the answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .autograd import full_precision
from .backends import torch_backend
from .checks import check_enough_pixels, check_input
from .maths import BATCH, Moments, compute_dtype, inverse_sqrt, mix, pool_moments, sources

if TYPE_CHECKING:
    from .layer import SwitchWhiten

__all__ = ['Diagnosis', 'diagnose']


class Diagnosis(NamedTuple):
    """What `diagnose` finds; printed, a summary. Tensors are fp64, (N, G) unless said otherwise.

    Where Ω has batch statistics only, one Σ̂ serves all samples: what is said of Σ̂ is then (1, G). Entries whose
    covariance is not finite are NaN.
    """

    title: str
    smallest: Tensor  # eigenvalue of Σ̂, eps included
    largest: Tensor
    condition: Tensor  # largest / smallest
    newton_residual: Tensor  # ‖P Σ̂ P − I‖_F / √D for P by Newton's iteration with the layer's T
    eigh_residual: Tensor  # and for P by eigendecomposition
    image_distance: Tensor  # ‖cov − I‖_F / √D of each image's output before γ and β: 0 is white
    batch_distance: Tensor  # (G,), the same over all images together
    mean_ratios: dict[str, float]
    cov_ratios: dict[str, float]

    def __str__(self) -> str:
        rows = {
            'smallest eigenvalue of Σ': self.smallest,
            'largest eigenvalue of Σ': self.largest,
            'condition number of Σ': self.condition,
            'residual of Newton': self.newton_residual,
            'residual of eigh': self.eigh_residual,
            'output from white, an image': self.image_distance,
            'output from white, the batch': self.batch_distance,
        }
        lines = [self.title, f'{"":30}{"least":>10}{"median":>10}{"most":>10}']
        for name, values in rows.items():
            lines.append(f'  {name:28}' + ''.join(f'{value:10.2e}' for value in _spread(values)))
        for name, ratios in (('means', self.mean_ratios), ('covariances', self.cov_ratios)):
            lines.append(f'  ratios of {name:18}' + '  '.join(f'{word} {ratio:.3f}' for word, ratio in ratios.items()))
        sample, group = divmod(int(self.condition.argmax()), self.condition.shape[1])
        lines.append(f'  worst conditioned: group {group}' + (f' of image {sample}' if len(self.condition) > 1 else ''))
        return '\n'.join(lines)


@torch.no_grad()
def diagnose(layer: SwitchWhiten, x: Tensor) -> Diagnosis:
    """The state of `layer` on x (N, C, *), in its mode: batch moments are the running ones in evaluation, where there
    are any, else those of x.

    No gradient flows and no statistic moves. It enters no collective: in training mode inside a process group the
    batch moments are those of this process.

    Raises:
        ValueError: for an input that the layer itself refuses, or one without samples.
    """
    check_input(layer, x)
    if len(x) == 0:
        raise ValueError(f'nothing to diagnose in an input without samples, shape {tuple(x.shape)}')
    if layer.training or (layer.running_mean is None and not BATCH.isdisjoint(layer.statistics)):
        check_enough_pixels(layer, x, None)
    with full_precision(x.device):
        sample = torch_backend.sample_moments(x.double(), layer.group_size)
        mixed = _mixed(layer, sample)
        cov, settings = mixed.cov.to(compute_dtype(x)), layer.settings()
        roots = {
            method: inverse_sqrt(cov, settings._replace(inverse_sqrt=method))[0].double()
            for method in ('newton', 'eigh')
        }
        smallest, largest = _extreme_eigenvalues(mixed.cov)
        images, batch = _whiteness(roots[layer.inverse_sqrt], sample, mixed.mean)
        newton, eigh = (_distance(root @ mixed.cov @ root) for root in roots.values())
    return Diagnosis(
        _title(layer, x),
        smallest,
        largest,
        largest / smallest,
        newton,
        eigh,
        images,
        batch,
        layer.mean_ratios(),
        layer.cov_ratios(),
    )


def _mixed(layer: SwitchWhiten, sample: Moments) -> Moments:
    """μ̂ and Σ̂ of Equation 6, eps included."""
    running = None if layer.training else layer.running_moments(torch.float64)
    batch = pool_moments(sample) if running is None else running
    mean_ratios, cov_ratios = (logits.double().softmax(0) for logits in (layer.mean_logits, layer.cov_logits))
    return mix(layer.statistics, mean_ratios, cov_ratios, *sources(layer.statistics, sample, batch), layer.eps)


def _extreme_eigenvalues(cov: Tensor) -> tuple[Tensor, Tensor]:
    """The solver refuses NaN: such matrices are set aside."""
    finite = torch.isfinite(cov).flatten(-2).all(-1)  # N G
    identity = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    values = torch.linalg.eigvalsh(torch.where(finite[..., None, None], cov, identity))
    values = torch.where(finite.unsqueeze(-1), values, torch.nan)
    return values[..., 0], values[..., -1]


def _whiteness(root: Tensor, sample: Moments, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Distance from white of every image's output and of the batch's, which follow from the input's moments."""
    output = Moments((root @ (sample.mean - mean).unsqueeze(-1)).squeeze(-1), root @ sample.cov @ root)
    return _distance(output.cov), _distance(pool_moments(output).cov).squeeze(0)


def _distance(cov: Tensor) -> Tensor:
    """‖cov − I‖_F / √D."""
    identity = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    return torch.linalg.matrix_norm(cov - identity) / math.sqrt(cov.shape[-1])


def _spread(values: Tensor) -> tuple[float, float, float]:
    return values.min().item(), values.median().item(), values.max().item()


def _title(layer: SwitchWhiten, x: Tensor) -> str:
    method = 'exact root' if layer.group_size == 1 else 'eigh'
    if layer.group_size > 1 and layer.inverse_sqrt == 'newton':
        method = f'Newton, T = {layer.iterations}'
    return (
        f'{type(layer).__name__} of {"+".join(layer.statistics)}, {method}, eps {layer.eps:g}, '
        f'{"training" if layer.training else "evaluation"} mode: {tuple(x.shape)}, groups of {layer.group_size}'
    )
