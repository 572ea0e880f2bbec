"""A whole layer in three kernels forward and three backward: what is known before a call, from its sizes and options.

Chunks of a sample's pixels are joined by the pass that makes their sums, and so is a batch of many samples; one of few
is pooled by the next kernel. Small results share two buffers: `work`, which the backward needs, and `scratch`, which
lasts for a call.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import triton
from torch import Tensor

from ...maths import BATCH, INSTANCE, Settings, memory_format
from .algebra import logit_positions, newton_steps
from .call import Call, Pieces, passing
from .evaluation import Evaluation
from .layer_backward import input_gradient_kernel, unmix_kernel
from .layer_forward import apply_kernel, mix_kernel
from .mix_to_affine import WORDS
from .newton import square_of
from .start import Place, Start, placed, run
from .tickets import tickets_for
from .tiles import Plan, plan_of, processors_of

__all__ = ['Recipe', 'recipe_of']

# The buffers of a call.
_FORWARD = ('x', 'y', 'work', 'scratch', 'tickets', 'weight', 'bias', 'mean_logits', 'cov_logits', 'running_mean',
            'running_cov', 'tracked', 'skipped')
_BACKWARD = ('x', 'dy', 'dx', 'work', 'scratch', 'tickets', 'weight', 'mean_logits', 'cov_logits', 'running_mean',
             'running_cov', 'to_weight', 'to_bias', 'to_mean_logits', 'to_cov_logits')
_TRACKED = 1024  # values that a program of the running statistics moves
_MATRICES = 256  # ratios of as many matrices
_POOLED = 64  # samples that each program of `mix_kernel` pools by itself


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
        self.pieces = Pieces(call, plan)
        self.tickets = self.pieces.tickets(self.pools and not self.inside) if full else 0

    def forward(self, x: Tensor, parameters: Sequence[Tensor | None], running: Sequence[Tensor | None]
                ) -> tuple[Tensor, Tensor]:
        """y, and `work` for the backward."""
        y = torch.empty_like(x)
        work = x.new_empty(self.saved_size, dtype=torch.float32)
        starts, size = self._forward
        scratch = x.new_empty(size, dtype=torch.float32) if size else None
        tickets = tickets_for(x.device, self.tickets) if self.tickets else None
        run(starts, (x, y, work, scratch, tickets, *parameters, *running))
        return y, work

    @functools.cached_property
    def evaluation(self) -> Evaluation | None:
        """In fewer kernels what `forward` does, where no gradient is wanted and no statistics move; else None."""
        return None if self.pools or self.call.momentum is not None else Evaluation(self.call, self.plan)

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
        tickets = tickets_for(x.device, self._backward[2]) if self._backward[2] else None
        buffers = (x, dy, dx, work, scratch, tickets, weight, mean_logits, cov_logits, *running, *grads)
        run([*sums, last] if needs_x else sums, buffers)
        return dx, *grads

    @functools.cached_property
    def _forward(self) -> tuple[list[Start], int]:
        """All that is started, and the elements of `scratch`."""
        at, gathers = self.saved, self.image or self.pools
        parts, size = placed('scratch', self.pieces.sizes if gathers else {})
        starts = []
        if gathers:
            sample, batch = [at['sample_mean'], at['sample_cov']], [at['batch_mean'], at['batch_cov']]
            starts.append(self.pieces.moments(_FORWARD, parts, sample, batch, self.pools and not self.inside))
        starts += [self._mix(), self._apply()]
        return starts, size

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
        return passing(apply_kernel, _FORWARD, call, plan, arguments, beyond, TRACKED=_TRACKED)

    @functools.cached_property
    def _backward(self) -> tuple[list[Start], int, int]:
        """All that is started, of which the last makes dx, the elements of `scratch`, and the tickets."""
        call, d, g, m, c = self.call, self.d, self.g, self.m, self.call.c
        at, size = placed('scratch', {
            'total': call.n * c, 'product': call.n * c * d, 'to_weights': m * c, 'to_biases': m * c, 'to_means': m * c,
            'to_covs': m * c * d, 'to_ratios': 2 * m * g * WORDS.value, 'quadratic': m * c * d, 'vector': m * c,
            'sums': 2 * m * g, 'common': c * d, 'common_vector': c, **self.pieces.sizes,
        })
        sums = [at['total'], at['product']]
        starts = [self.pieces.gradients(_BACKWARD, at, self.shift, self.step, sums), self._unmix(at, sums),
                  self._input_gradient(at)]
        return starts, size, self.pieces.tickets(False)

    def _unmix(self, at: dict[str, Place], sums: list[Place]) -> Start:
        call, saved, words = self.call, self.saved, self.call.settings.statistics
        names = ('to_weights', 'to_biases', 'to_means', 'to_covs', 'to_ratios', 'quadratic', 'vector', 'sums',
                 'common', 'common_vector')
        parts = [1, 1, 1] if self.image else [call.n, 1, self.g]
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
        return passing(input_gradient_kernel, _BACKWARD, self.call, self.plan, arguments, COUNT=len(words),
                       IMAGE=self.image, LN=self.positions['LN'], GROUPS=triton.next_power_of_2(self.g))

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
