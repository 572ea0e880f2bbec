"""Equations 5 and 6 over a whole layer, and their gradient (Algorithms 1 and 2 of the paper), as two functions.

Forward: one pass over x for the moments of every sample and group, small D×D algebra, one pass that applies

    y = A x + b,   A = γ Σ̂^(−1/2),   b = β − A μ̂,

with mean, whitening and affine joined in one matrix and one vector a sample and group. Backward: one pass over dy and
x for Σ dy and Σ dy xᵀ, the small algebra reversed by hand, one pass that writes dx = Aᵀ dy + B x + c. Of the activation
only x is saved; the rest is O(N·C·D). The passes themselves are in `backends`.

The paper's Algorithm 2 differentiates the eigendecomposition; here its two halves are separate (`inverse_sqrt`,
`mixture`), and the gradient through the means that centre each covariance, which vanishes, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from torch import Tensor

from ..backends import Backend, select
from ..maths import BATCH, INSTANCE, Affine, Moments, Parameters, Settings, memory_format
from ..maths import algebra as torch_algebra
from ..maths.moments import either, with_memory
from ..tracing import is_followed
from .memory import Memory
from .precision import full_precision
from .synchronize import all_reduce_gradients, all_reduce_moments

__all__ = ['State', 'backward', 'forward']


class State(NamedTuple):
    """What the backward needs beside x and the parameters.

    Attributes:
        sample, batch: moments; None where they were not needed. In evaluation `batch` are the running ones.
        pixels: behind the batch moments: an int, or over several processes a 0-d tensor; 0 if they were given.
        affine: the map that was applied, and what it was made of.
    """

    sample: Moments | None
    batch: Moments | None
    pixels: int | Tensor
    affine: Affine

    def tensors(self) -> list[Tensor | None]:
        """All tensors in a fixed order, None for those that are absent: what autograd can save."""
        sample, batch = (moments or (None, None) for moments in (self.sample, self.batch))
        first, second = (*self.affine.factors, None, None)[:2]
        pixels = self.pixels if isinstance(self.pixels, Tensor) else None
        return [*sample, *batch, self.affine.mean, self.affine.root, self.affine.matrix, first, second, pixels]

    @classmethod
    def of(cls, tensors: Sequence[Tensor | None], pixels: int | None) -> State:
        """The reverse of `tensors`, but for b, which is lost; `pixels` if their number is no tensor."""
        sample_mean, sample_cov, batch_mean, batch_cov, mean, root, matrix, first, second, counted = tensors
        factors = tuple(factor for factor in (first, second) if factor is not None)
        affine = Affine(_there(mean), _there(root), factors, _there(matrix), _there(mean).new_empty(0))
        return cls(
            _moments(sample_mean, sample_cov),
            _moments(batch_mean, batch_cov),
            _there(counted) if pixels is None else pixels,
            affine,
        )


def forward(
    x: Tensor,
    parameters: Parameters,
    running: Moments | None,
    settings: Settings,
    backend: Backend | None = None,
    memory: Memory | None = None,
) -> tuple[Tensor, State]:
    """y like x (N, C, *), which is `dense`, and what the backward needs. `backend` is by default the fastest.

    With `running`, (1, G, D) and (1, G, D, D), those are the batch moments, else they are those of x. A map that x has
    no part in is looked for in `memory`, and kept there.
    """
    backend = backend or select(x, settings.group_size)
    algebra = backend.algebra(settings)
    with _island(x, algebra):
        sample = None
        batch: Moments | None = running
        pixels: int | Tensor = 0
        if needs_sample(settings, running):
            sample = backend.sample_moments(x, settings.group_size)
            if pools(settings, running):
                batch, pixels = _joined(algebra.pool(sample), x, settings)
        shift = _shift(backend, sample, batch)
        affine = None
        if memory is not None and sample is None and batch is not None:
            affine = memory.recall(parameters, batch, settings, backend)
        if affine is None:
            affine = algebra.mix_to_affine(sample, batch, shift, parameters, settings)
            if memory is not None and sample is None and batch is not None:
                memory.keep(parameters, batch, settings, backend, affine)
        return backend.apply(x, shift, affine.matrix, affine.vector), State(sample, batch, pixels, affine)


def backward(
    dy: Tensor,
    x: Tensor,
    parameters: Parameters,
    state: State,
    constant: bool,
    settings: Settings,
    needs_x: bool = True,
) -> tuple[Tensor | None, Parameters]:
    """Gradients of x and of the parameters; `constant` batch moments were given, not those of x."""
    sample, batch, affine = state.sample, state.batch, state.affine
    backend = select(x, settings.group_size)
    algebra = backend.algebra(settings)
    with _island(x, algebra):
        dy = with_memory(dy).to(x.dtype).contiguous(memory_format=memory_format(x))
        shift = _shift(backend, sample, batch)
        total, product = backend.gradient_sums(dy, x, shift, settings.group_size)
        grads = algebra.mix_to_affine_backward(total, product, sample, batch, shift, parameters, affine, settings)
        grad_x = of_batch = quadratic = vector = None
        if not constant and grads.batch is not None:  # a collective is entered by all processes or by none
            of_batch = grads.batch if settings.group is None else all_reduce_gradients(grads.batch, settings.group)
        if needs_x:
            if sample is not None and (of_batch is not None or not INSTANCE.isdisjoint(settings.statistics)):
                length = x[0, 0].numel() if len(x) else 1
                share = length / state.pixels if of_batch is not None else 0.0
                quadratic, vector = algebra.input_matrices(
                    grads.mixed, of_batch, sample, batch, shift, parameters, settings, share, length
                )
            grad_x = backend.apply_gradient(dy, x, shift, affine.matrix, quadratic, vector)
    return grad_x, _in_dtypes_of(parameters, grads.parameters)


def pools(settings: Settings, running: Moments | None) -> bool:
    """Whether batch moments are taken from x."""
    return running is None and not BATCH.isdisjoint(settings.statistics)


def needs_sample(settings: Settings, running: Moments | None) -> bool:
    """Whether moments of each sample are taken from x."""
    return pools(settings, running) or not INSTANCE.isdisjoint(settings.statistics)


def _island(x: Tensor, algebra: object) -> AbstractContextManager[None]:
    """Full precision for torch's products; compiled code, passes and algebra, sees none of torch's settings."""
    return full_precision(x.device) if algebra is torch_algebra else nullcontext()


def _shift(backend: Backend, sample: Moments | None, batch: Moments | None) -> Tensor | None:
    """What the passes subtract from x: of given batch moments alone their mean, (1, G, D), but not in a program that is
    exported, where it would be one operation more."""
    if sample is None and (batch is None or is_followed()):
        return None
    return backend.shift(either(sample, batch))


def _joined(local: Moments, x: Tensor, settings: Settings) -> tuple[Moments, int | Tensor]:
    """Batch moments of all processes, and the number of pixels behind them."""
    pixels = x.numel() // x.shape[1]
    return (local, pixels) if settings.group is None else all_reduce_moments(local, pixels, settings.group)


def _in_dtypes_of(parameters: Parameters, grads: Parameters) -> Parameters:
    weight, bias = (
        None if gradient is None or parameter is None else gradient.to(parameter.dtype)
        for gradient, parameter in zip(grads[:2], parameters[:2])
    )
    return Parameters(
        weight,
        bias,
        grads.mean_logits.to(parameters.mean_logits.dtype),
        grads.cov_logits.to(parameters.cov_logits.dtype),
    )


def _moments(mean: Tensor | None, cov: Tensor | None) -> Moments | None:
    return None if mean is None or cov is None else Moments(mean, cov)


def _there(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError('a tensor that the backward needs was not saved')
    return tensor
