"""The computation on a GPU where nothing has to happen between its kernels: three forward, three backward, and without
a backward one or two.

A small network waits for its host, so that a layer should ask little of it. `computation` has steps between which
processes add up, and results for each; here a recipe knows from sizes and options what to start, small results share a
buffer, and the running statistics move inside the last kernel of the forward. That makes this the one autograd
function that writes to buffers: they are no part of the graph, and nothing that the backward reads is among them.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..backends import select
from ..maths import Parameters, Settings, dense, in_memory
from ..maths.moments import with_memory
from ..tracing import has_gradient, is_dual, is_exported
from .memory import Memory

__all__ = ['Running', 'WholeFunction', 'backend_of', 'whiten_whole']

_MOVED = (torch.float32, torch.bfloat16, torch.float16)  # dtypes that the kernels read and write
_NONE = (None, None, None, None)


class Running(NamedTuple):
    """The buffers of a layer; `momentum` is None where they are not to be moved."""

    mean: Tensor  # (C,)
    cov: Tensor  # (G, D, D)
    tracked: Tensor
    skipped: Tensor
    momentum: float | None


def backend_of(x: Tensor, group_size: int) -> ModuleType | None:
    """The backend that has recipes for x, in eager mode; None where there is none."""
    if not x.is_cuda or is_exported() or torch.compiler.is_compiling():
        return None
    backend: Any = select(x, group_size)
    return backend if hasattr(backend, 'recipe_of') else None


def whiten_whole(
    x: Tensor,
    parameters: Parameters,
    running: Running | None,
    settings: Settings,
    backend: Any,
    memory: Memory | None = None,
) -> Tensor | None:
    """SW of x (N, C, *) on a `backend_of` it; None where it needs the steps of `computation`.

    `running` without a momentum are the batch moments; otherwise those are of x, and move `running` if it is there.
    Where no gradient is wanted, `memory` may keep what does not depend on x.
    """
    if settings.group is not None or x.numel() == 0:
        return None
    if settings.inverse_sqrt != 'newton' and settings.group_size > 1:
        return None
    momentum = None if running is None else running.momentum
    if running is not None and not _fits(running):
        return None
    buffers = _NONE if running is None else running[:4]
    x, parameters = dense(x), in_memory(parameters)
    recipe = backend.recipe_of(x, parameters, buffers, settings, momentum)
    if x.is_cuda and x.get_device() != torch.cuda.current_device():
        with torch.cuda.device(x.get_device()):
            return _run(x, parameters, buffers, recipe, memory)
    return _run(x, parameters, buffers, recipe, memory)


class WholeFunction(torch.autograd.Function):
    """`Recipe.forward` and `backward`, which run on the device of x."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean_logits: Tensor,
        cov_logits: Tensor,
        running_mean: Tensor | None,
        running_cov: Tensor | None,
        tracked: Tensor | None,
        skipped: Tensor | None,
        recipe: Any,
    ) -> Tensor:
        """Whiten and mix (Equations 3 to 6); saves what the backward needs."""
        parameters = weight, bias, mean_logits, cov_logits
        output, work = recipe.forward(x, parameters, (running_mean, running_cov, tracked, skipped))
        ctx.recipe = recipe
        if recipe.call.given:
            # a batch of training may move them before the backward
            given = (None if moment is None else moment.clone() for moment in (running_mean, running_cov))
            ctx.save_for_backward(x, *parameters, work, *given)
        else:
            ctx.save_for_backward(x, *parameters, work)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of all that took part, None for the rest."""
        x, weight, bias, mean_logits, cov_logits, work, *running = ctx.saved_tensors
        needs = ctx.needs_input_grad
        parameters = weight, bias, mean_logits, cov_logits
        grads = ctx.recipe.backward(with_memory(grad), x, work, parameters, running or (None, None), needs[0])
        if not all(needs[:5]):
            grads = tuple(gradient if need else None for gradient, need in zip(grads, needs))
        return *grads, None, None, None, None, None


def _run(
    x: Tensor, parameters: Parameters, buffers: tuple[Tensor | None, ...], recipe: Any, memory: Memory | None
) -> Tensor:
    if has_gradient(x, *parameters) or is_dual():  # torch refuses the latter
        return WholeFunction.apply(x, *parameters, *buffers, recipe)
    evaluation = recipe.evaluation
    if evaluation is None:
        return recipe.forward(x, parameters, buffers)[0]
    kept = None
    if evaluation.keeps:
        kept = (memory or Memory()).room(x.device, recipe.call.settings.iterations, evaluation.keeps)
    return evaluation(x, parameters, buffers, kept)


def _fits(running: Running) -> bool:
    """Whether the kernels can read and write the buffers; what they only read has to be fp32."""
    types = (torch.float32,) if running.momentum is None else _MOVED
    return all(moment.dtype in types and moment.is_contiguous() for moment in running[:2])
