"""The layer's computation as two operators of torch, for `torch.compile`: it sees no graph break, and no detail.

Under compilation the layer calls `sw_mmseg::switch_whiten`, whose gradient is `sw_mmseg::switch_whiten_backward`; both
are `function.forward` and `function.backward` in flat arguments. What an operator cannot take or return is said
otherwise: Ω as one string, a process group by its name, an absent tensor as an empty one.
"""

import torch
import torch.distributed as dist
from torch import Tensor

from .algebra import Folded, Parameters, scaled
from .function import State, backward, forward
from .moments import Moments, compute_dtype, dense, memory_format
from .settings import Settings
from .statistics import BATCH, INSTANCE

__all__ = ['switch_whiten']


def switch_whiten(x: Tensor, parameters: Parameters, running: Moments | None,
                  settings: Settings) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
    """As `SwitchWhitenFunction`; the count is a 0-d tensor."""
    group = '' if settings.group is None else settings.group.group_name
    y, mean, cov, count, *_ = _forward_operator(
        x, *parameters, *(running or (None, None)), '+'.join(settings.statistics), settings.group_size, settings.eps,
        settings.inverse_sqrt, settings.iterations, group)
    if running is not None or BATCH.isdisjoint(settings.statistics):
        return y, None, None, count
    return y, mean.flatten(), cov.squeeze(0), count


def _settings(statistics: str, group_size: int, eps: float, inverse_sqrt: str, iterations: int,
              group: str) -> Settings:
    found = torch._C._distributed_c10d._resolve_process_group(group) if group and dist.is_available() else None
    return Settings(tuple(statistics.split('+')), group_size, eps, inverse_sqrt, iterations, found)


def _pair(mean: Tensor | None, cov: Tensor | None) -> Moments | None:
    return None if mean is None or mean.dim() == 1 else Moments(mean, cov)


@torch.library.custom_op('sw_mmseg::switch_whiten', mutates_args=())
def _forward_operator(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor, cov_logits: Tensor,
                      running_mean: Tensor | None, running_cov: Tensor | None, statistics: str, group_size: int,
                      eps: float, inverse_sqrt: str, iterations: int, group: str
                      ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, batch mean, covariance and pixel count, sample mean and covariance, μ̂, Σ̂^(−1/2) and two factors of it."""
    settings = _settings(statistics, group_size, eps, inverse_sqrt, iterations, group)
    running = _pair(running_mean, running_cov)
    parameters = Parameters(weight, bias, mean_logits, cov_logits)
    y, (sample, batch, count, folded) = forward(dense(x), parameters, running, settings)
    nothing = [x.new_empty(0, dtype=compute_dtype(x)) for _ in range(6)]
    batch = nothing[:2] if batch is None or running is not None else batch
    count = torch.as_tensor(count, dtype=compute_dtype(x), device=x.device).clone()
    rest = [*(sample or nothing[2:4]), folded.mean, folded.root, *[*folded.factors, *nothing[4:]][:2]]
    return y, *(tensor.contiguous() for tensor in batch), count, *(tensor.contiguous() for tensor in rest)


@_forward_operator.register_fake
def _(x, weight, bias, mean_logits, cov_logits, running_mean, running_cov, statistics, group_size, eps, inverse_sqrt,
      iterations, group):
    words, (n, c), d = statistics.split('+'), x.shape[:2], group_size
    g, m = c // d, 1 if INSTANCE.isdisjoint(words) else n

    def new(*shape):
        return x.new_empty(shape, dtype=compute_dtype(x))

    from_input = running_mean is None and not BATCH.isdisjoint(words)
    batch = (new(1, g, d), new(1, g, d, d)) if from_input else (new(0), new(0))
    sample = (new(n, g, d), new(n, g, d, d)) if from_input or not INSTANCE.isdisjoint(words) else (new(0), new(0))
    factors = [new(0), new(0)]
    if d > 1:
        factors = [new(m, g, d, d), new(0)] if inverse_sqrt == 'newton' else [new(m, g, d), new(m, g, d, d)]
    y = torch.empty_like(x, memory_format=memory_format(x))
    return y, *batch, new(), *sample, new(m, g, d), new(m, g, d, d), *factors


@torch.library.custom_op('sw_mmseg::switch_whiten_backward', mutates_args=())
def _backward_operator(dy: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean_logits: Tensor,
                       cov_logits: Tensor, batch_mean: Tensor | None, batch_cov: Tensor | None, count: Tensor,
                       sample_mean: Tensor, sample_cov: Tensor, mean: Tensor, root: Tensor, first: Tensor,
                       second: Tensor, constant: bool, needs_x: bool, statistics: str, group_size: int, eps: float,
                       inverse_sqrt: str, iterations: int, group: str
                       ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, γ, β and both logits; empty where there is none."""
    settings = _settings(statistics, group_size, eps, inverse_sqrt, iterations, group)
    factors = tuple(factor for factor in (first, second) if factor.dim() > 1)
    state = State(_pair(sample_mean, sample_cov), _pair(batch_mean, batch_cov), count,
                  Folded(mean, root, factors, scaled(root, weight), None))
    parameters = Parameters(weight, bias, mean_logits, cov_logits)
    grads = backward(dy, dense(x), parameters, state, constant, settings, needs_x)
    return tuple(x.new_empty(0) if gradient is None else gradient.contiguous(memory_format=memory_format(gradient))
                 for gradient in grads)


@_backward_operator.register_fake
def _(dy, x, weight, bias, mean_logits, cov_logits, batch_mean, batch_cov, count, sample_mean, sample_cov, mean, root,
      first, second, constant, needs_x, *settings):
    grad_x = torch.empty_like(x, memory_format=memory_format(x)) if needs_x else x.new_empty(0)
    parameters = (x.new_empty(0) if tensor is None else torch.empty_like(tensor) for tensor in (weight, bias))
    return grad_x, *parameters, torch.empty_like(mean_logits), torch.empty_like(cov_logits)


def _setup_context(ctx, inputs, output):
    x, weight, bias, mean_logits, cov_logits, running_mean, running_cov, *ctx.settings = inputs
    _, batch_mean, batch_cov, count, *rest = output
    ctx.constant = running_mean is not None
    if ctx.constant:
        batch_mean, batch_cov = running_mean, running_cov
    ctx.save_for_backward(x, weight, bias, mean_logits, cov_logits, batch_mean, batch_cov, count, *rest)


def _backward(ctx, grad_y, *_):
    needs_x = ctx.needs_input_grad[0]
    grads = _backward_operator(grad_y, *ctx.saved_tensors, ctx.constant, needs_x, *ctx.settings)
    wanted = (gradient if needed else None for gradient, needed in zip(grads, ctx.needs_input_grad))
    return *wanted, None, None, *(None for _ in ctx.settings)


_forward_operator.register_autograd(_backward, setup_context=_setup_context)
