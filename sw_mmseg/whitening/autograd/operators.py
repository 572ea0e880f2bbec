"""`computation.forward` and `backward` as two operators of torch, for `torch.compile`: it does not look into them.

An operator takes and returns tensors, numbers and strings. So Ω travels as one string, a process group by its name, and
a `State` as the list of those of its tensors that are there; `_presence` tells from the settings which ones are.
"""

import torch
import torch.distributed as dist
from torch import Tensor

from ..maths import INSTANCE, Moments, Parameters, Settings, compute_dtype, dense, memory_format
from . import computation
from .computation import State, needs_sample, pools

__all__ = ['backward', 'forward']


def forward(x: Tensor, parameters: Parameters, running: Moments | None, settings: Settings) -> tuple[Tensor, State]:
    """As `computation.forward`; the number of pixels is a tensor, or 0 if the batch moments were given."""
    output, *present = _forward_operator(x, list(parameters), list(running or ()), *_encoded(settings))
    tensors = _spread(present, _presence(settings, running, parameters))
    if running is not None:
        tensors[2:4] = running
    if parameters.weight is None:
        tensors[6] = tensors[5]  # A is Σ̂^(−1/2)
    return output, State.of(tensors, None if pools(settings, running) else 0)


def backward(
    dy: Tensor,
    x: Tensor,
    parameters: Parameters,
    state: State,
    constant: bool,
    settings: Settings,
    needs_x: bool = True,
) -> tuple[Tensor | None, Parameters]:
    """As `computation.backward`; the forward may have run outside a compiled program, and counted pixels by an int."""
    if not isinstance(state.pixels, Tensor) and state.pixels:
        state = state._replace(pixels=torch.full((), float(state.pixels), dtype=compute_dtype(x), device=x.device))
    grads = _backward_operator(dy, x, list(parameters), state.tensors(), constant, needs_x, *_encoded(settings))
    present = [needs_x, *(parameter is not None for parameter in parameters)]
    grad_x, weight, bias, mean_logits, cov_logits = _spread(grads, present)
    return grad_x, Parameters(weight, bias, mean_logits, cov_logits)  # type: ignore[arg-type]  # logits are there


@torch.library.custom_op('sw_mmseg::switch_whiten', mutates_args=())
def _forward_operator(
    x: Tensor,
    parameters: list[Tensor | None],
    running: list[Tensor],
    statistics: str,
    group_size: int,
    eps: float,
    inverse_sqrt: str,
    iterations: int,
    group: str,
) -> list[Tensor]:
    """y, and the tensors of the `State` that are there."""
    settings = _decoded(statistics, group_size, eps, inverse_sqrt, iterations, group)
    learned, given = Parameters(*parameters), Moments(*running) if running else None  # type: ignore[arg-type]
    output, state = computation.forward(dense(x), learned, given, settings)
    if pools(settings, given):
        pixels = torch.as_tensor(state.pixels, dtype=compute_dtype(x), device=x.device).clone()
        state = state._replace(pixels=pixels)
    presence = _presence(settings, given, learned)
    return [
        output,
        *(tensor.contiguous() for tensor, present in zip(state.tensors(), presence) if present and tensor is not None),
    ]


@_forward_operator.register_fake
def _(x, parameters, running, statistics, group_size, eps, inverse_sqrt, iterations, group):
    settings = _decoded(statistics, group_size, eps, inverse_sqrt, iterations, '')
    learned, given = Parameters(*parameters), Moments(*running) if running else None
    n, d, g = x.shape[0], group_size, x.shape[1] // group_size
    m = 1 if INSTANCE.isdisjoint(settings.statistics) else n
    factor = (m, g, d, d) if inverse_sqrt == 'newton' else (m, g, d)
    shapes = [
        (n, g, d),
        (n, g, d, d),
        (1, g, d),
        (1, g, d, d),
        (m, g, d),
        (m, g, d, d),
        (m, g, d, d),
        factor,
        (m, g, d, d),
        (),
    ]
    output = torch.empty_like(x, memory_format=memory_format(x))
    dtypes = [compute_dtype(x)] * len(shapes)
    if inverse_sqrt == 'eigh':
        dtypes[7:9] = [torch.float64] * 2  # the factors of an eigendecomposition
    return [
        output,
        *(
            x.new_empty(shape, dtype=dtype)
            for shape, dtype, present in zip(shapes, dtypes, _presence(settings, given, learned))
            if present
        ),
    ]


@torch.library.custom_op('sw_mmseg::switch_whiten_backward', mutates_args=())
def _backward_operator(
    dy: Tensor,
    x: Tensor,
    parameters: list[Tensor | None],
    state: list[Tensor | None],
    constant: bool,
    needs_x: bool,
    statistics: str,
    group_size: int,
    eps: float,
    inverse_sqrt: str,
    iterations: int,
    group: str,
) -> list[Tensor]:
    """Gradients of x, if that is asked for, and of the parameters that are there."""
    settings = _decoded(statistics, group_size, eps, inverse_sqrt, iterations, group)
    pixels = None if state[-1] is not None else 0
    learned = Parameters(*parameters)  # type: ignore[arg-type]
    grad_x, grads = computation.backward(dy, dense(x), learned, State.of(state, pixels), constant, settings, needs_x)
    return [
        gradient.contiguous(memory_format=memory_format(gradient))
        for gradient in (grad_x, *grads)
        if gradient is not None
    ]


@_backward_operator.register_fake
def _(dy, x, parameters, state, constant, needs_x, *settings):
    grad_x = [torch.empty_like(x, memory_format=memory_format(x))] if needs_x else []
    return [*grad_x, *(torch.empty_like(parameter) for parameter in parameters if parameter is not None)]


def _presence(settings: Settings, running: Moments | None, parameters: Parameters) -> list[bool]:
    """Which of a `State`'s tensors the forward operator returns: not those that it was given, nor one twice."""
    sample, batch = needs_sample(settings, running), pools(settings, running)
    wide, eigh = settings.group_size > 1, settings.inverse_sqrt == 'eigh'
    return [sample, sample, batch, batch, True, True, parameters.weight is not None, wide, wide and eigh, batch]


def _spread(present: list[Tensor], presence: list[bool]) -> list[Tensor | None]:
    """The tensors in their places, None in the others."""
    tensors = iter(present)
    return [next(tensors) if present else None for present in presence]


def _encoded(settings: Settings) -> tuple[str, int, float, str, int, str]:
    group = '' if settings.group is None else settings.group.group_name
    return (
        '+'.join(settings.statistics),
        settings.group_size,
        settings.eps,
        settings.inverse_sqrt,
        settings.iterations,
        group,
    )


def _decoded(statistics: str, group_size: int, eps: float, inverse_sqrt: str, iterations: int, group: str) -> Settings:
    """torch has no public way from a group's name to the group; its own collective operators take this one."""
    process_group = None
    if group and dist.is_available():
        process_group = torch._C._distributed_c10d._resolve_process_group(group)  # type: ignore[arg-type]
    return Settings(tuple(statistics.split('+')), group_size, eps, inverse_sqrt, iterations, process_group)
