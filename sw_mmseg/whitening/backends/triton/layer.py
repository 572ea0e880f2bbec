"""A whole layer in three kernels forward and three backward: what is known before a call, from its sizes and options.

An activation whose samples take several programs a group needs one kernel more forward, which joins their chunks; so
does a batch of many samples, whose moments are pooled once. Small results share two buffers: `work`, which the backward
needs, and `scratch`, which lasts for a call.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
from torch import Tensor

from ...maths import BATCH, INSTANCE, Settings, memory_format
from .algebra import logit_positions, newton_steps
from .layer_backward import input_gradient_kernel, unmix_kernel
from .layer_forward import apply_kernel, mix_kernel
from .mix_to_affine import WORDS
from .newton import square_of
from .passes import combine_kernel, gradient_kernel, moments_kernel
from .start import Place, Start, placed, run
from .tiles import Plan, plan_of, processors_of

__all__ = ['Call', 'Recipe', 'recipe_of']

# The buffers of a call.
_FORWARD = ('x', 'y', 'work', 'scratch', 'weight', 'bias', 'mean_logits', 'cov_logits', 'running_mean', 'running_cov',
            'tracked', 'skipped')
_BACKWARD = ('x', 'dy', 'dx', 'work', 'scratch', 'weight', 'mean_logits', 'cov_logits', 'running_mean', 'running_cov',
             'to_weight', 'to_bias', 'to_mean_logits', 'to_cov_logits')
_TRACKED = 1024  # values that a program of the running statistics moves
_ADDED = 16  # chunks or samples that a program of `combine_kernel` adds up at once
_MATRICES = 256  # ratios of as many matrices
_POOLED = 64  # samples that each program pools by itself
_Numbers = Sequence['Place | float | None']


class Call(NamedTuple):
    """What a recipe depends on. `given` says that the batch moments are the running ones, and a momentum that those
    are moved; `types` are the dtypes of γ, β, both logits and the running statistics, None for what is absent."""

    n: int
    c: int
    length: int
    last: bool
    dtype: torch.dtype
    device: torch.device
    settings: Settings
    given: bool
    momentum: float | None
    types: tuple[torch.dtype | None, ...]


class Recipe:
    """The starts of one kind of call, made when they are first needed."""

    def __init__(self, call: Call, plan: Plan) -> None:
        words, n, c, d = call.settings.statistics, call.n, call.c, call.settings.group_size
        self.call, self.plan, self.d, self.g = call, plan, d, c // d
        self.image = not INSTANCE.isdisjoint(words)
        self.pools = not call.given and not BATCH.isdisjoint(words)
        self.m = n if self.image else 1  # matrices a group
        self.inside = self.pools and n <= (_POOLED if self.image else 4 * _POOLED)  # pooled by `mix_kernel`
        self.positions, self.square = logit_positions(words), square_of(d)
        self.parts = max(2048 // self.square['ROWS'] ** 2, 1)
        m, full = self.m, self.image or self.pools
        self.saved, self.saved_size = placed('work', {
            'sample_mean': n * c * full, 'sample_cov': n * c * d * full, 'batch_mean': c, 'batch_cov': c * d,
            'mean': m * c, 'cov': m * c * d, 'root': m * c * d, 'matrix': m * c * d, 'vector': m * c, 'layer': 2 * n,
            'tickets': self.g + 1,
        })
        if call.given:
            self.saved |= {'batch_mean': Place('running_mean'), 'batch_cov': Place('running_cov')}
        # A pass subtracts the image's mean, or where Ω has batch statistics alone, the batch's.
        self.shift = self.saved['sample_mean' if self.image else 'batch_mean']
        self.step = int(self.image)
        self.joined = plan.chunks > 1

    def forward(self, x: Tensor, parameters: Sequence[Tensor | None], running: Sequence[Tensor | None]
                ) -> tuple[Tensor, Tensor]:
        """y, and `work` for the backward."""
        y = torch.empty_like(x)
        work = x.new_empty(self.saved_size, dtype=torch.float32)
        starts, size = self._forward
        scratch = x.new_empty(size, dtype=torch.float32) if size else None
        run(starts, (x, y, work, scratch, *parameters, *running))
        return y, work

    def backward(self, dy: Tensor, x: Tensor, work: Tensor, parameters: Sequence[Tensor | None],
                 running: Sequence[Tensor | None], needs_x: bool) -> tuple[Tensor | None, ...]:
        """Gradients of x and the parameters. Raises `ValueError` for a dy of another shape than x's."""
        if dy.shape != x.shape:
            raise ValueError(f'dy {tuple(dy.shape)} must be as x: {tuple(x.shape)}')
        if dy.dtype is not x.dtype or dy.stride() != x.stride():
            dy = dy.to(x.dtype).contiguous(memory_format=memory_format(x))
        dx = torch.empty_like(x) if needs_x else None
        *sums, last = self._backward[0]
        scratch = x.new_empty(self._backward[1], dtype=torch.float32)
        grads = [None if parameter is None else torch.empty_like(parameter) for parameter in parameters]
        weight, _, mean_logits, cov_logits = parameters
        buffers = (x, dy, dx, work, scratch, weight, mean_logits, cov_logits, *running, *grads)
        run([*sums, last] if needs_x else sums, buffers)
        return dx, *grads

    @functools.cached_property
    def _forward(self) -> tuple[list[Start], int]:
        """All that is started, and the elements of `scratch`."""
        call, plan, at, d = self.call, self.plan, self.saved, self.d
        mean, cov = at['sample_mean'], at['sample_cov']
        count = call.n * self.g * plan.chunks * d if self.joined else 0
        parts, size = placed('scratch', {'mean': count, 'cov': count * d})
        starts = []
        if self.image or self.pools:
            into = (parts['mean'], parts['cov']) if self.joined else (mean, cov)
            starts.append(self._pass(moments_kernel, _FORWARD, [Place('x'), *into]))
            if self.joined:
                starts.append(self._join(_FORWARD, [*into, mean, cov], True))
        if self.pools and not self.inside:
            numbers = [call.n, 1, call.n, 1, self.g]
            starts.append(self._combine(_FORWARD, call.c, [mean, cov, at['batch_mean'], at['batch_cov'], *numbers],
                                        True))
        starts += [self._mix(), self._apply()]
        return starts, size * bool(count)

    def _mix(self) -> Start:
        call, at, words = self.call, self.saved, self.call.settings.statistics
        arguments = [
            Place('mean_logits'), Place('cov_logits'), at['sample_mean'], at['sample_cov'], at['batch_mean'],
            at['batch_cov'], at['layer'], self._given('weight'), self._given('bias'), at['mean'], at['cov'],
            at['root'], at['matrix'], at['vector'], at['tickets']._replace(dtype=torch.int32), call.settings.eps,
            call.n, self.g,
        ]
        return Start(mix_kernel, _FORWARD, self.m * self.g, arguments, POOL=self.inside, COUNT=len(words),
                     ITERATIONS=newton_steps(call.settings), PARTS=self.parts, **self.positions, **self.square)

    def _apply(self) -> Start:
        call, plan, at = self.call, self.plan, self.saved
        size, beyond = call.c * self.d, 0
        moved: list[Place | float | None] = [None] * 6
        if call.momentum is not None:
            beyond = triton.cdiv(size, _TRACKED)
            moved = [*map(Place, ('running_mean', 'running_cov', 'tracked', 'skipped')), at['batch_mean'],
                     at['batch_cov']]
        pixels = call.n * call.length
        numbers = [float(call.momentum or 0.0), pixels / max(pixels - 1, 1), size, self.step, self.step, plan.programs]
        arguments = [Place('y'), Place('x'), at['matrix'], self.shift, at['vector'], *moved, *numbers]
        return self._pass(apply_kernel, _FORWARD, arguments, beyond, TRACKED=_TRACKED)

    @functools.cached_property
    def _backward(self) -> tuple[list[Start], int]:
        """All that is started, of which the last makes dx, and the elements of `scratch`."""
        call, plan, d, g, m = self.call, self.plan, self.d, self.g, self.m
        c, n, chunks = call.c, call.n, plan.chunks
        joined = self.joined and not self.image
        at, size = placed('scratch', {
            'total': n * c * chunks, 'product': n * c * d * chunks, 'to_weights': m * c, 'to_biases': m * c,
            'to_means': m * c, 'to_covs': m * c * d, 'to_ratios': 2 * m * g * WORDS.value, 'quadratic': m * c * d,
            'vector': m * c, 'sums': 2 * m * g, 'common': c * d, 'common_vector': c,
            'joined_total': n * c * joined, 'joined_product': n * c * d * joined,
        })
        sums = [at['total'], at['product']]
        starts = [self._pass(gradient_kernel, _BACKWARD, [Place('dy'), Place('x'), self.shift, self.step, *sums])]
        if joined:
            whole = [at['joined_total'], at['joined_product']]
            starts.append(self._join(_BACKWARD, [*sums, *whole], False))
            sums = whole
        starts += [self._unmix(at, sums), self._input_gradient(at)]
        return starts, size

    def _unmix(self, at: dict[str, Place], sums: list[Place]) -> Start:
        call, saved, words = self.call, self.saved, self.call.settings.statistics
        names = ('to_weights', 'to_biases', 'to_means', 'to_covs', 'to_ratios', 'quadratic', 'vector', 'sums',
                 'common', 'common_vector')
        chunks = self.plan.chunks
        parts = [chunks, chunks, 1] if self.image else [call.n, 1, self.g]
        arguments = [
            Place('mean_logits'), Place('cov_logits'), *sums, saved['sample_mean'], saved['sample_cov'],
            saved['batch_mean'], saved['batch_cov'], saved['layer'], self._given('weight'), saved['mean'],
            saved['cov'], saved['root'], saved['matrix'], *(at[name] for name in names),
            saved['tickets']._replace(dtype=torch.int32), self._given('weight', 'to_weight'),
            self._given('bias', 'to_bias'), Place('to_mean_logits'), Place('to_cov_logits'), 1 / call.n, call.length,
            self.m, self.g, *parts,
        ]
        return Start(unmix_kernel, _BACKWARD, self.m * self.g, arguments, SOURCES=self.pools, COUNT=len(words),
                     ITERATIONS=newton_steps(call.settings), PARTS=self.parts, MATRICES=_MATRICES, **self.positions,
                     **self.square)

    def _input_gradient(self, at: dict[str, Place]) -> Start:
        saved, words = self.saved, self.call.settings.statistics
        from_image = self.image and not {'iw', 'in'}.isdisjoint(words)
        arguments = [
            Place('dx'), Place('dy'), Place('x') if self.image or self.pools else None, Place('mean_logits'),
            Place('cov_logits'), saved['matrix'], at['quadratic'] if from_image else None,
            at['vector'] if from_image else None, self.shift, at['common'] if self.pools else None,
            at['common_vector'] if self.pools else None,
            saved['batch_mean'], saved['layer'], at['sums'], self.step,
        ]
        return self._pass(input_gradient_kernel, _BACKWARD, arguments, COUNT=len(words), IMAGE=self.image,
                          LN=self.positions['LN'], GROUPS=triton.next_power_of_2(self.g))

    def _pass(self, kernel: triton.JITFunction, buffers: Sequence[str], arguments: _Numbers, beyond: int = 0,
              **constants: int) -> Start:
        """A pass over the activation, with some programs more."""
        plan = self.plan
        return Start(kernel, buffers, plan.programs + beyond, [*arguments, *plan.sizes],
                     WHOLE=self.call.dtype.itemsize == 2, **constants, **plan.constants)

    def _join(self, buffers: Sequence[str], places: list[Place], moments: bool) -> Start:
        """The chunks of each sample, as `backend` joins them."""
        plan, call = self.plan, self.call
        numbers = [plan.length, plan.chunk, plan.chunks, plan.chunks, 1]
        return self._combine(buffers, call.n * call.c, [*places, *numbers], moments)

    def _combine(self, buffers: Sequence[str], programs: int, arguments: _Numbers, moments: bool) -> Start:
        return Start(combine_kernel, buffers, programs, arguments, D=self.d, WIDTH=triton.next_power_of_2(self.d),
                     PARTS=_ADDED, MOMENTS=moments, num_warps=1)

    def _given(self, parameter: str, buffer: str | None = None) -> Place | None:
        """A buffer that is there where γ or β is."""
        dtype = self.call.types[('weight', 'bias').index(parameter)]
        return None if dtype is None else Place(buffer or parameter)


def recipe_of(x: Tensor, parameters: Sequence[Tensor | None], running: Sequence[Tensor | None], settings: Settings,
              momentum: float | None) -> Recipe:
    """For x (N, C, *), dense and not empty. `running` without a momentum are the batch moments."""
    types = tuple(None if tensor is None else tensor.dtype for tensor in (*parameters, *running[:2]))
    n, c = x.shape[:2]
    call = Call(n, c, x.numel() // (n * c), not x.is_contiguous(), x.dtype, x.device, settings,
                running[0] is not None and momentum is None, momentum, types)
    return _recipe(call, processors_of(x.device))


@functools.lru_cache(maxsize=1024)
def _recipe(call: Call, processors: int) -> Recipe:
    """The same again for equal calls."""
    return Recipe(call, plan_of(call.n, call.c, call.settings.group_size, call.length, call.last,
                                call.dtype.itemsize, processors))
