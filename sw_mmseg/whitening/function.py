"""Equations 5 and 6 over a whole layer, and their gradient (Algorithms 1 and 2 of the paper).

Forward: one pass over x for the moments of every sample and group, small D×D algebra, one pass that applies

    y = A x + b,   A = γ Σ̂^(−1/2),   b = β − A μ̂,

with mean, whitening and affine folded into one matrix and one vector a sample and group. Backward: one pass over dy and
x for Σ dy and Σ dy xᵀ, the small algebra reversed by hand, one pass that writes dx = Aᵀ dy + B x + c. Of the activation
only x is saved; the rest is O(N·C·D).

The paper's Algorithm 2 differentiates the eigendecomposition; here its two halves are separate (`inverse_sqrt`,
`mixture`), and the gradient through the means that centre each covariance, which vanishes, is left out.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from .inverse_sqrt import inverse_sqrt, inverse_sqrt_backward
from .mixture import mix, mixture_backward
from .moments import Moments, as_slices, centre, moments_backward, outer, pool_moments, sample_moments
from .statistics import BATCH, INSTANCE
from .synchronize import all_reduce_gradients, all_reduce_moments

__all__ = ['Settings', 'SwitchWhitenFunction', 'compute_dtype', 'switch_whiten']


class Settings(NamedTuple):
    """What the computation needs to know besides tensors; `group` is the process group to reduce over, or None."""

    statistics: tuple[str, ...]
    group_size: int
    eps: float
    inverse_sqrt: str
    iterations: int
    group: dist.ProcessGroup | None = None


class _State(NamedTuple):
    """Everything between the two passes. mean is (N or 1, G, D); root and matrix are (N or 1, G, D, D)."""

    sample: Moments | None
    batch: Moments | None
    count: int  # pixels behind the batch moments, over all processes
    mean_ratios: Tensor
    cov_ratios: Tensor
    mean: Tensor
    root: Tensor
    matrix: Tensor
    saved: tuple[Tensor, ...]


def switch_whiten(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
                  running: Moments | None, settings: Settings) -> Tensor:
    """SW of x (N, C, *) with `running` as batch moments, in plain differentiable operations: evaluation and export."""
    with _no_autocast(x):
        slices = as_slices(x, settings.group_size).to(compute_dtype(x))
        y, _ = _forward(slices, weight, bias, mean_logits, cov_logits, running, settings)
        return y.reshape(x.shape).to(x.dtype)


class SwitchWhitenFunction(torch.autograd.Function):
    """The same with the gradient by hand. With `running` None the batch moments are those of x, and are returned too.

    Returns y, batch mean (C,), batch covariance (G, D, D), biased and without eps, and the number of pixels behind
    them, as an int; None for both where Ω has no batch statistic or they were given.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean_logits, cov_logits, running, settings):
        with _no_autocast(x):
            slices = as_slices(x, settings.group_size).to(compute_dtype(x))
            y = torch.empty_like(x, dtype=slices.dtype, memory_format=torch.contiguous_format)
            _, state = _forward(slices, weight, bias, mean_logits, cov_logits, running, settings, y.view(slices.shape))
        ctx.settings, ctx.count, ctx.constant_batch = settings, state.count, running is not None
        moments = [*(state.sample or (None, None)), *(state.batch or (None, None))]
        ctx.save_for_backward(x, weight, state.mean_ratios, state.cov_ratios, *moments, state.mean, state.root,
                              state.matrix, *state.saved)
        ctx.affine = bias is not None
        y = y.to(x.dtype)  # not a view: an in-place activation may follow
        if state.batch is None or ctx.constant_batch:
            return y, None, None, 0
        batch_mean, batch_cov = state.batch.mean.flatten().clone(), state.batch.cov.squeeze(0).clone()
        ctx.mark_non_differentiable(batch_mean, batch_cov)
        return y, batch_mean, batch_cov, state.count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_y, *_):
        x, weight, mean_ratios, cov_ratios, *rest = ctx.saved_tensors
        sample = Moments(*rest[0:2]) if rest[0] is not None else None
        batch = Moments(*rest[2:4]) if rest[2] is not None else None
        mean, root, matrix, *saved = rest[4:]
        state = _State(sample, batch, ctx.count, mean_ratios, cov_ratios, mean, root, matrix, tuple(saved))
        with _no_autocast(x):
            dtype = compute_dtype(x)
            slices = as_slices(x, ctx.settings.group_size).to(dtype)
            dy = grad_y.reshape(slices.shape).to(dtype)
            return _backward(slices, dy, x, weight, state, ctx)


def compute_dtype(x: Tensor) -> torch.dtype:
    """Moments and algebra are never in less than fp32."""
    return torch.promote_types(x.dtype, torch.float32)


def _forward(slices: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
             running: Moments | None, settings: Settings, out: Tensor | None = None) -> tuple[Tensor, _State]:
    words, dtype = settings.statistics, slices.dtype
    centred, sample = slices, None
    from_input = running is None and not BATCH.isdisjoint(words)
    if from_input or not INSTANCE.isdisjoint(words):
        sample, centred = sample_moments(slices)
    batch, count = running, 0
    if from_input:
        batch, count = _batch_moments(sample, slices, settings.group)
    mean_ratios, cov_ratios = (logits.to(dtype).softmax(0) for logits in (mean_logits, cov_logits))
    mean, cov = mix(words, mean_ratios, cov_ratios, *_sources(words, sample, batch), settings.eps)
    root, saved = inverse_sqrt(cov, settings.inverse_sqrt, settings.iterations, settings.eps)
    matrix = root if weight is None else root * weight.to(dtype).view(mean.shape[1:]).unsqueeze(-1)
    offset = mean if centred is slices else mean - sample.mean
    vector = -torch.matmul(matrix, offset.unsqueeze(-1)).squeeze(-1)
    if bias is not None:
        vector = vector + bias.to(dtype).view(mean.shape[1:])
    y = _affine(matrix, centred, vector, out)
    return y, _State(sample, batch, count, mean_ratios, cov_ratios, mean, root, matrix, saved)


def _batch_moments(sample: Moments, slices: Tensor, group: dist.ProcessGroup | None) -> tuple[Moments, int]:
    count = slices.shape[0] * slices.shape[-1]
    local = pool_moments(sample)
    return (local, count) if group is None else all_reduce_moments(local, count, group)


def _affine(matrix: Tensor, x: Tensor, vector: Tensor, out: Tensor | None = None) -> Tensor:
    """matrix (N or 1, G, D, D) @ x (N, G, D, L) + vector (N or 1, G, D), into `out` where it is given."""
    n, g, d, length = x.shape
    if d == 1:
        return torch.addcmul(vector.unsqueeze(-1), matrix, x, out=out)
    matrix = matrix.expand(n, g, d, d).reshape(n * g, d, d)
    vector = vector.expand(n, g, d).reshape(n * g, d, 1)
    flat = None if out is None else out.view(n * g, d, length)
    return torch.baddbmm(vector, matrix, x.reshape(n * g, d, length), out=flat).view(n, g, d, length)


def _backward(slices: Tensor, dy: Tensor, x: Tensor, weight: Tensor | None, state: _State, ctx) -> tuple:
    """All gradients, in the order of the inputs; each only where it is needed."""
    words, method = ctx.settings.statistics, ctx.settings.inverse_sqrt
    needs_x, needs_weight, needs_bias, *_ = ctx.needs_input_grad
    centred, shift = centre(slices, state.sample)
    total = dy.sum(-1)  # N G D
    offset = state.mean if shift is None else state.mean - shift
    product = outer(dy, centred) - total.unsqueeze(-1) * offset.unsqueeze(-2)  # Σ dy (x − μ̂)ᵀ, N G D D
    if state.matrix.shape[0] == 1:
        total_one, product = total.sum(0, keepdim=True), product.sum(0, keepdim=True)
    else:
        total_one = total
    grad_weight = grad_bias = None
    if needs_weight:
        grad_weight = (state.root * product).sum((0, -1)).flatten().to(weight.dtype)
    if needs_bias:
        grad_bias = total.sum(0).flatten()
    scaled = product if weight is None else product * weight.to(product.dtype).view(product.shape[1:3]).unsqueeze(-1)
    grad_cov = inverse_sqrt_backward(scaled, state.saved, method)
    grad_mean = -torch.matmul(state.matrix.mT, total_one.unsqueeze(-1)).squeeze(-1)
    mixture = mixture_backward(words, Moments(grad_mean, grad_cov), state.mean_ratios, state.cov_ratios,
                               *_sources(words, state.sample, state.batch))
    grads = [_softmax_backward(*pair) for pair in ((state.mean_ratios, mixture.mean_ratios),
                                                   (state.cov_ratios, mixture.cov_ratios))]
    grad_x = None
    if needs_x or ctx.settings.group is not None:  # a collective is entered by all processes or by none
        sample = _sample_gradients(mixture.sample, mixture.batch, state, ctx, slices)
        grad_x = _input_gradient(state.matrix, dy, centred, shift, sample, state.sample).reshape(x.shape).to(x.dtype)
    return grad_x, grad_weight, grad_bias, *grads, None, None


def _sources(words: tuple[str, ...], sample: Moments | None,
             batch: Moments | None) -> tuple[Moments | None, Moments | None]:
    """The moments that Ω names: those that only served to pool the batch are not among them."""
    return None if INSTANCE.isdisjoint(words) else sample, None if BATCH.isdisjoint(words) else batch


def _softmax_backward(ratios: Tensor, grad: Tensor) -> Tensor:
    return ratios * (grad - (ratios * grad).sum())


def _sample_gradients(sample_grad: Moments | None, batch_grad: Moments | None, state: _State, ctx,
                      slices: Tensor) -> Moments | None:
    """Gradients of each sample's moments, those that arrive through the batch moments included."""
    if batch_grad is None or ctx.constant_batch:
        return sample_grad
    if ctx.settings.group is not None:
        batch_grad = all_reduce_gradients(batch_grad, ctx.settings.group)
    share = slices.shape[-1] / max(state.count, 1)  # the weight of a sample in the batch moments
    apart = state.sample.mean - state.batch.mean
    symmetric = batch_grad.cov + batch_grad.cov.mT
    to_mean = share * (batch_grad.mean + torch.matmul(symmetric, apart.unsqueeze(-1)).squeeze(-1))
    to_cov = share * batch_grad.cov
    if sample_grad is None:
        return Moments(to_mean, to_cov.expand_as(state.sample.cov))
    return Moments(sample_grad.mean + to_mean, sample_grad.cov + to_cov)


def _input_gradient(matrix: Tensor, dy: Tensor, centred: Tensor, shift: Tensor | None, grad: Moments | None,
                    sample: Moments | None) -> Tensor:
    """dx = Aᵀ dy + B x + c."""
    if grad is None:
        return _affine(matrix.mT, dy, torch.zeros_like(dy[..., 0]))
    mean = torch.zeros_like(sample.mean) if shift is not None else sample.mean
    quadratic, vector = moments_backward(grad.mean, grad.cov, mean, dy.shape[-1])
    dx = _affine(quadratic, centred, vector)
    n, g, d, length = dy.shape
    if d == 1:
        return dx.addcmul_(matrix, dy)
    transposed = matrix.mT.expand(n, g, d, d).reshape(n * g, d, d)
    return dx.view(n * g, d, length).baddbmm_(transposed, dy.reshape(n * g, d, length)).view(n, g, d, length)


def _no_autocast(x: Tensor) -> AbstractContextManager:
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
