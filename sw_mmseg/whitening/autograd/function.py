"""Equations 5 and 6 over a whole layer, and their gradient (Algorithms 1 and 2 of the paper).

Forward: one pass over x for the moments of every sample and group, small D×D algebra, one pass that applies

    y = A x + b,   A = γ Σ̂^(−1/2),   b = β − A μ̂,

with mean, whitening and affine folded into one matrix and one vector a sample and group. Backward: one pass over dy and
x for Σ dy and Σ dy xᵀ, the small algebra reversed by hand, one pass that writes dx = Aᵀ dy + B x + c. Of the activation
only x is saved; the rest is O(N·C·D). The passes themselves are in `kernels`.

The paper's Algorithm 2 differentiates the eigendecomposition; here its two halves are separate (`inverse_sqrt`,
`mixture`), and the gradient through the means that centre each covariance, which vanishes, is left out.
"""

from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .algebra import Folded, Parameters
from .kernels import select, torch_passes
from .moments import Moments, dense, memory_format
from .precision import full_precision
from .settings import Settings
from .statistics import BATCH, INSTANCE
from .synchronize import all_reduce_gradients, all_reduce_moments

__all__ = ['Settings', 'State', 'SwitchWhitenFunction', 'backward', 'forward', 'switch_whiten']


class State(NamedTuple):
    """What the backward needs beside x and the parameters."""

    sample: Moments | None
    batch: Moments | None
    count: int | Tensor  # pixels behind the batch moments; over several processes a 0-d tensor; 0 if they were given
    folded: Folded


def switch_whiten(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
                  running: Moments | None, settings: Settings) -> Tensor:
    """SW of x (N, C, *) with `running` as batch moments, in plain differentiable operations of torch."""
    return forward(x, Parameters(weight, bias, mean_logits, cov_logits), running, settings, torch_passes)[0]


class SwitchWhitenFunction(torch.autograd.Function):
    """The same with the gradient by hand. With `running` None the batch moments are those of x, and are returned too.

    Returns y, batch mean (C,), batch covariance (G, D, D), biased and without eps, and the number of pixels behind
    them (see `State`); None for both where Ω has no batch statistic or they were given.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean_logits, cov_logits, running, settings):
        x = dense(x)
        parameters = Parameters(weight, bias, mean_logits, cov_logits)
        y, (sample, batch, count, folded) = forward(x, parameters, running, settings)
        ctx.settings, ctx.constant, ctx.count = settings, running is not None, count
        ctx.save_for_backward(x, *parameters, *(sample or (None, None)), *(batch or (None, None)), folded.mean,
                              folded.root, folded.matrix, *folded.factors)
        if batch is None or ctx.constant:
            return y, None, None, 0
        batch_mean, batch_cov = batch.mean.flatten(), batch.cov.squeeze(0)
        ctx.mark_non_differentiable(batch_mean, batch_cov)
        return y, batch_mean, batch_cov, count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_y, *_):
        x, *rest = ctx.saved_tensors
        sample, batch = (Moments(*pair) if pair[0] is not None else None for pair in (rest[4:6], rest[6:8]))
        mean, root, matrix, *factors = rest[8:]
        state = State(sample, batch, ctx.count, Folded(mean, root, tuple(factors), matrix, None))
        grads = backward(grad_y, x, Parameters(*rest[:4]), state, ctx.constant, ctx.settings, ctx.needs_input_grad[0])
        wanted = (gradient if needed else None for gradient, needed in zip(grads, ctx.needs_input_grad))
        return *wanted, None, None


def forward(x: Tensor, parameters: Parameters, running: Moments | None, settings: Settings,
            kernels: ModuleType | None = None) -> tuple[Tensor, State]:
    """y like x (N, C, *), which is `dense`, and what the backward needs."""
    words = settings.statistics
    kernels = kernels or select(x, settings.group_size)
    with full_precision(x.device):
        algebra = kernels.algebra(settings)
        from_input = running is None and not BATCH.isdisjoint(words)
        sample = shift = None
        if from_input or not INSTANCE.isdisjoint(words):
            sample = kernels.sample_moments(x, settings.group_size)
            shift = kernels.shift(sample)
        batch, count = _batch_moments(algebra.pool(sample), x, settings) if from_input else (running, 0)
        folded = algebra.fold(sample, batch, shift, parameters, settings)
        return kernels.apply(x, shift, folded.matrix, folded.vector), State(sample, batch, count, folded)


def backward(dy: Tensor, x: Tensor, parameters: Parameters, state: State, constant: bool, settings: Settings,
             needs_x: bool = True) -> tuple[Tensor | None, ...]:
    """Gradients of x and of the parameters; `constant` batch moments were given, not those of x."""
    sample, batch, _, folded = state
    kernels = select(x, settings.group_size)
    algebra = kernels.algebra(settings)
    with full_precision(x.device):
        dy = dy.to(x.dtype).contiguous(memory_format=memory_format(x))
        shift = None if sample is None else kernels.shift(sample)
        sums = kernels.gradient_sums(dy, x, shift, settings.group_size)
        grads = algebra.fold_backward(*sums, sample, batch, shift, parameters, folded, settings)
        grad_x = of_batch = quadratic = vector = None
        if not constant and grads.batch is not None:  # a collective is entered by all processes or by none
            of_batch = grads.batch if settings.group is None else all_reduce_gradients(grads.batch, settings.group)
        if needs_x:
            if of_batch is not None or not INSTANCE.isdisjoint(settings.statistics):
                length = x[0, 0].numel() if len(x) else 1
                share = length / state.count if of_batch is not None else 0.0
                quadratic, vector = algebra.input_matrices(grads.mixed, of_batch, sample, batch, shift, parameters,
                                                           settings, share, length)
            grad_x = kernels.apply_gradient(dy, x, shift, folded.matrix, quadratic, vector)
    of_parameters = (None if gradient is None else gradient.to(parameter.dtype)
                     for gradient, parameter in zip(grads.parameters, parameters))
    return grad_x, *of_parameters


def _batch_moments(local: Moments, x: Tensor, settings: Settings) -> tuple[Moments, int | Tensor]:
    count = x.numel() // x.shape[1]
    return (local, count) if settings.group is None else all_reduce_moments(local, count, settings.group)
