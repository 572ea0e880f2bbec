"""Equations 5 and 6 over a whole layer, and their gradient (Algorithms 1 and 2 of the paper).

Forward: one pass over x for the moments of every sample and group, small D×D algebra, one pass that applies

    y = A x + b,   A = γ Σ̂^(−1/2),   b = β − A μ̂,

with mean, whitening and affine folded into one matrix and one vector a sample and group. Backward: one pass over dy and
x for Σ dy and Σ dy xᵀ, the small algebra reversed by hand, one pass that writes dx = Aᵀ dy + B x + c. Of the activation
only x is saved; the rest is O(N·C·D). The passes themselves are in `kernels`.

The paper's Algorithm 2 differentiates the eigendecomposition; here its two halves are separate (`inverse_sqrt`,
`mixture`), and the gradient through the means that centre each covariance, which vanishes, is left out.
"""

from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from .inverse_sqrt import inverse_sqrt, inverse_sqrt_backward
from .kernels import select, torch_passes
from .mixture import mix, mixture_backward
from .moments import Moments, compute_dtype, dense, memory_format, moments_backward, pool_moments
from .statistics import BATCH, INSTANCE
from .synchronize import all_reduce_gradients, all_reduce_moments

__all__ = ['Settings', 'State', 'SwitchWhitenFunction', 'backward', 'forward', 'switch_whiten']


class Settings(NamedTuple):
    """What the computation needs to know besides tensors; `group` is the process group to reduce over, or None."""

    statistics: tuple[str, ...]
    group_size: int
    eps: float
    inverse_sqrt: str
    iterations: int
    group: dist.ProcessGroup | None = None


class State(NamedTuple):
    """What the backward needs beside x and the parameters. mean is (N or 1, G, D), root (N or 1, G, D, D)."""

    sample: Moments | None
    batch: Moments | None
    count: int | Tensor  # pixels behind the batch moments; over several processes a 0-d tensor; 0 if they were given
    mean: Tensor  # μ̂
    root: Tensor  # Σ̂^(−1/2)
    factors: tuple[Tensor, ...]  # what the backward of the inverse square root needs


def switch_whiten(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
                  running: Moments | None, settings: Settings) -> Tensor:
    """SW of x (N, C, *) with `running` as batch moments, in plain differentiable operations of torch."""
    return forward(x, weight, bias, mean_logits, cov_logits, running, settings, torch_passes)[0]


class SwitchWhitenFunction(torch.autograd.Function):
    """The same with the gradient by hand. With `running` None the batch moments are those of x, and are returned too.

    Returns y, batch mean (C,), batch covariance (G, D, D), biased and without eps, and the number of pixels behind
    them (see `State`); None for both where Ω has no batch statistic or they were given.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean_logits, cov_logits, running, settings):
        x = dense(x)
        y, state = forward(x, weight, bias, mean_logits, cov_logits, running, settings)
        ctx.settings, ctx.constant, ctx.count = settings, running is not None, state.count
        moments = [*(state.sample or (None, None)), *(state.batch or (None, None))]
        ctx.save_for_backward(x, weight, bias, mean_logits, cov_logits, *moments, state.mean, state.root,
                              *state.factors)
        if state.batch is None or ctx.constant:
            return y, None, None, 0
        batch_mean, batch_cov = state.batch.mean.flatten().clone(), state.batch.cov.squeeze(0).clone()
        ctx.mark_non_differentiable(batch_mean, batch_cov)
        return y, batch_mean, batch_cov, state.count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_y, *_):
        x, weight, bias, mean_logits, cov_logits, *rest = ctx.saved_tensors
        sample, batch = (Moments(*pair) if pair[0] is not None else None for pair in (rest[0:2], rest[2:4]))
        state = State(sample, batch, ctx.count, rest[4], rest[5], tuple(rest[6:]))
        grads = backward(grad_y, x, weight, bias, mean_logits, cov_logits, state, ctx.constant, ctx.settings,
                         ctx.needs_input_grad[0])
        wanted = (gradient if needed else None for gradient, needed in zip(grads, ctx.needs_input_grad))
        return *wanted, None, None


def forward(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
            running: Moments | None, settings: Settings, kernels: ModuleType | None = None) -> tuple[Tensor, State]:
    """y like x (N, C, *), which is `dense`, and what the backward needs."""
    words, dtype = settings.statistics, compute_dtype(x)
    kernels = kernels or select(x, settings.group_size)
    with _no_autocast(x):
        from_input = running is None and not BATCH.isdisjoint(words)
        sample = shift = None
        if from_input or not INSTANCE.isdisjoint(words):
            sample = kernels.sample_moments(x, settings.group_size)
            shift = kernels.shift(sample)
        batch, count = _batch_moments(sample, x, settings) if from_input else (running, 0)
        ratios = _ratios(mean_logits, cov_logits, dtype)
        mean, cov = mix(words, *ratios, *_sources(words, sample, batch), settings.eps)
        root, factors = inverse_sqrt(cov, settings, kernels)
        matrix = _matrix(root, weight)
        offset = mean if shift is None else shift - mean
        beta = None if bias is None else bias.to(dtype).view(mean.shape[1:])
        vector = _times(matrix, offset, None if shift is None and beta is None else beta, -1 if shift is None else 1)
        return kernels.apply(x, shift, matrix, vector), State(sample, batch, count, mean, root, factors)


def backward(dy: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
             state: State, constant: bool, settings: Settings, needs_x: bool = True) -> list[Tensor | None]:
    """Gradients of x, weight, bias, mean_logits and cov_logits; `constant` batch moments were given, not those of x."""
    words, kernels = settings.statistics, select(x, settings.group_size)
    with _no_autocast(x):
        dy = dy.to(x.dtype).contiguous(memory_format=memory_format(x))
        shift = None if state.sample is None else kernels.shift(state.sample)
        total, product = kernels.gradient_sums(dy, x, shift, settings.group_size)
        offset = state.mean if shift is None else state.mean - shift
        product = product - total.unsqueeze(-1) * offset.unsqueeze(-2)  # Σ dy (x − μ̂)ᵀ, N G D D
        grad_bias = None if bias is None else total.sum(0).flatten().to(bias.dtype)
        if state.root.shape[0] == 1:
            total, product = total.sum(0, keepdim=True), product.sum(0, keepdim=True)
        grad_weight = None if weight is None else (state.root * product).sum((0, -1)).flatten().to(weight.dtype)
        matrix = _matrix(state.root, weight)
        grad_cov = inverse_sqrt_backward(_matrix(product, weight), state.root, state.factors, settings, kernels)
        grad_mean = _times(matrix.mT, total, None, -1)
        ratios = _ratios(mean_logits, cov_logits, product.dtype)
        mixture = mixture_backward(words, Moments(grad_mean, grad_cov), *ratios,
                                   *_sources(words, state.sample, state.batch))
        grad_mean_logits = _softmax_backward(ratios[0], mixture.mean_ratios).to(mean_logits.dtype)
        grad_cov_logits = _softmax_backward(ratios[1], mixture.cov_ratios).to(cov_logits.dtype)
        grad_x = None
        if needs_x or settings.group is not None:  # a collective is entered by all processes or by none
            sample_grad = _sample_gradients(mixture.sample, None if constant else mixture.batch, state, x, settings)
            grad_x = _input_gradient(kernels, dy, x, shift, matrix, sample_grad, state.sample)
    return [grad_x, grad_weight, grad_bias, grad_mean_logits, grad_cov_logits]


def _batch_moments(sample: Moments, x: Tensor, settings: Settings) -> tuple[Moments, int | Tensor]:
    count = x.numel() // x.shape[1]
    local = pool_moments(sample)
    return (local, count) if settings.group is None else all_reduce_moments(local, count, settings.group)


def _ratios(mean_logits: Tensor, cov_logits: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """ω and ω' of Equation 6, (|Ω|,) each."""
    mean_ratios = mean_logits.to(dtype).softmax(0)
    return mean_ratios, mean_ratios if cov_logits is mean_logits else cov_logits.to(dtype).softmax(0)


def _matrix(root: Tensor, weight: Tensor | None) -> Tensor:
    """γ times the rows of root (N or 1, G, D, D)."""
    return root if weight is None else root * weight.to(root.dtype).view(root.shape[1:3]).unsqueeze(-1)


def _times(matrix: Tensor, vector: Tensor, beta: Tensor | None, sign: int) -> Tensor:
    """sign · matrix vector (+ beta), of (N or 1, G, D, D) and (N or 1, G, D)."""
    product = (matrix @ vector.unsqueeze(-1)).squeeze(-1)
    if beta is None:
        return product if sign == 1 else -product
    return torch.add(beta, product, alpha=sign)


def _sources(words: tuple[str, ...], sample: Moments | None,
             batch: Moments | None) -> tuple[Moments | None, Moments | None]:
    """The moments that Ω names: those that only served to pool the batch are not among them."""
    return None if INSTANCE.isdisjoint(words) else sample, None if BATCH.isdisjoint(words) else batch


def _softmax_backward(ratios: Tensor, grad: Tensor) -> Tensor:
    return ratios * (grad - torch.dot(ratios, grad))


def _sample_gradients(sample_grad: Moments | None, batch_grad: Moments | None, state: State, x: Tensor,
                      settings: Settings) -> Moments | None:
    """Gradients of each sample's moments, those that arrive through the batch moments included."""
    if batch_grad is None:
        return sample_grad
    if settings.group is not None:
        batch_grad = all_reduce_gradients(batch_grad, settings.group)
    share = x[0, 0].numel() / state.count if x.shape[0] else 0.0  # the weight of a sample in the batch moments
    apart = state.sample.mean - state.batch.mean
    symmetric = batch_grad.cov + batch_grad.cov.mT
    to_mean = share * _times(symmetric, apart, batch_grad.mean, 1)
    to_cov = share * batch_grad.cov
    if sample_grad is None:
        return Moments(to_mean, to_cov)
    return Moments(sample_grad.mean + to_mean, sample_grad.cov + to_cov)


def _input_gradient(kernels: ModuleType, dy: Tensor, x: Tensor, shift: Tensor | None, matrix: Tensor,
                    grad: Moments | None, sample: Moments | None) -> Tensor:
    """dx = Aᵀ dy + B (x − shift) + c."""
    if grad is None:
        return kernels.apply_gradient(dy, x, shift, matrix, None, None)
    offset = sample.mean if shift is None else None  # the shift is μ itself
    quadratic, vector = moments_backward(grad.mean, grad.cov, offset, x[0, 0].numel() if x.shape[0] else 1)
    return kernels.apply_gradient(dy, x, shift, matrix, quadratic, vector)


def _no_autocast(x: Tensor) -> AbstractContextManager:
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
