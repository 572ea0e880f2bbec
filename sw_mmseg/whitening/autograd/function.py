"""The computation as an autograd function, and which way a call of a layer takes.

There are two ways, as few as torch allows. `torch.export`, `torch.jit.trace` and the transforms of `torch.func` must
see each operation of torch, so they get the computation in those. All else, in training and in evaluation, with
gradients and without, goes through one autograd function. Under `torch.compile` its two halves are calls of custom
operators (`operators`), into which the compiler does not look. Elsewhere they are plain calls: as an operator, a layer
would take about 40 % more calls of Python in a forward and 20 % more in a step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..backends import torch_backend
from ..maths import Moments, Parameters, Settings, dense
from ..tracing import has_gradient, is_exported
from . import operators
from .computation import State, backward, forward
from .memory import Memory

__all__ = ['SwitchWhitenFunction', 'Whitened', 'switch_whiten', 'whiten']


class Whitened(NamedTuple):
    """The output and, where they were taken from the input, the moments of the batch for running statistics."""

    output: Tensor  # like x
    mean: Tensor | None  # (C,)
    cov: Tensor | None  # (G, D, D), biased and without eps
    pixels: int | Tensor  # behind the moments; over several processes and under `torch.compile` a 0-d tensor


def whiten(
    x: Tensor,
    parameters: Parameters,
    running: Moments | None,
    settings: Settings,
    memory: Memory | None = None,
) -> Whitened:
    """SW of x (N, C, *). With `running`, (1, G, D) and (1, G, D, D), those are the batch moments, else those of x.
    `memory` may keep what does not depend on x."""
    if is_exported():
        return _in_operations_of_torch(x, parameters, running, settings)
    compiling = torch.compiler.is_compiling()
    if compiling and parameters.cov_logits is parameters.mean_logits:  # of an input given twice, Dynamo keeps only the
        parameters = parameters._replace(cov_logits=parameters.cov_logits.clone())  # gradient by its second place
    if running is not None and not compiling and has_gradient(x, *parameters):
        # a batch of training may move them before the backward
        running = Moments(running.mean.clone(), running.cov.clone())
    if memory is None or compiling:
        return Whitened(*SwitchWhitenFunction.apply(x, *parameters, running, settings))
    return Whitened(*SwitchWhitenFunction.apply(x, *parameters, running, settings, memory))


def switch_whiten(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean_logits: Tensor,
    cov_logits: Tensor,
    running: Moments | None,
    settings: Settings,
) -> Tensor:
    """SW of x (N, C, *) as a function, in plain differentiable operations of torch; `running` as in `whiten`.

    Raises:
        ValueError: x is not of floating point, or the logits are not as many as the statistics.
    """
    if not x.is_floating_point():
        raise ValueError(f'switch_whiten expects floating point, got {x.dtype}: convert it, for example with .float()')
    words = len(settings.statistics)
    if mean_logits.shape != (words,) or cov_logits.shape != (words,):
        shapes = tuple(mean_logits.shape), tuple(cov_logits.shape)
        raise ValueError(f'logits of shapes {shapes} do not weigh the {words} statistics {settings.statistics}')
    return _in_operations_of_torch(x, Parameters(weight, bias, mean_logits, cov_logits), running, settings).output


class SwitchWhitenFunction(torch.autograd.Function):
    """`forward` and `backward` of `computation`; returns the fields of `Whitened`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean_logits: Tensor,
        cov_logits: Tensor,
        running: Moments | None,
        settings: Settings,
        memory: Memory | None = None,
    ) -> tuple[Any, ...]:
        """Whiten and mix (Equations 3 to 6); saves what the backward needs."""
        x = dense(x)
        parameters = Parameters(weight, bias, mean_logits, cov_logits)
        if torch.compiler.is_compiling():
            output, state = operators.forward(x, parameters, running, settings)
        else:
            output, state = forward(x, parameters, running, settings, memory=memory)
        ctx.settings, ctx.constant = settings, running is not None
        ctx.pixels = None if isinstance(state.pixels, Tensor) else state.pixels
        ctx.save_for_backward(x, *parameters, *state.tensors())
        result = _whitened(output, state, running)
        moments = result.mean, result.cov, result.pixels
        ctx.mark_non_differentiable(*(tensor for tensor in moments if isinstance(tensor, Tensor)))
        return result.output, *moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        """Gradients of all that took part, None for the rest."""
        x, weight, bias, mean_logits, cov_logits, *tensors = ctx.saved_tensors
        parameters = Parameters(weight, bias, mean_logits, cov_logits)
        run = operators.backward if torch.compiler.is_compiling() else backward
        grad_x, grads = run(
            grad, x, parameters, State.of(tensors, ctx.pixels), ctx.constant, ctx.settings, ctx.needs_input_grad[0]
        )
        needed = (gradient if needs else None for gradient, needs in zip((grad_x, *grads), ctx.needs_input_grad))
        return *needed, None, None, None


def _in_operations_of_torch(x: Tensor, parameters: Parameters, running: Moments | None, settings: Settings) -> Whitened:
    output, state = forward(dense(x), parameters, running, settings, torch_backend)
    return _whitened(output, state, running)


def _whitened(output: Tensor, state: State, running: Moments | None) -> Whitened:
    if state.batch is None or running is not None:
        return Whitened(output, None, None, 0)
    return Whitened(output, state.batch.mean.flatten(), state.batch.cov.squeeze(0), state.pixels)
