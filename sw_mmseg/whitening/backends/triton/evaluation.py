"""A layer without a backward in two kernels, or where Ω has batch statistics alone, in one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...maths import INSTANCE
from .algebra import logit_positions, newton_steps
from .call import Call, Pieces, passing
from .evaluate import evaluate_kernel
from .start import Place, Start, placed, run
from .tickets import tickets_for
from .tiles import Plan

__all__ = ['Evaluation']

_BUFFERS = ('x', 'y', 'scratch', 'tickets', 'kept', 'weight', 'bias', 'mean_logits', 'cov_logits', 'running_mean',
            'running_cov', 'tracked', 'skipped')


class Evaluation:
    """The starts of a call whose batch moments, if Ω has any, are given.

    Attributes:
        keeps: elements of what is kept from call to call, (2, tiles, ROWS, ROWS): covariances and their inverse square
            roots; 0 where nothing is.
    """

    def __init__(self, call: Call, plan: Plan) -> None:
        self._call, pieces = call, Pieces(call, plan)
        words, d = call.settings.statistics, plan.d
        image = not INSTANCE.isdisjoint(words)
        self.keeps = 0 if image or d == 1 else 2 * plan.tiles * plan.rows**2
        sizes = {'sample_mean': call.n * call.c, 'sample_cov': call.n * call.c * d, **pieces.sizes}
        at, self._size = placed('scratch', sizes if image else {})
        self._tickets = pieces.tickets(False) if image else 0
        sample = [at['sample_mean'], at['sample_cov']] if image else [None, None]
        given = [Place('running_mean'), Place('running_cov')] if call.given else [None, None]
        affine = [Place(name) if call.types[index] else None for index, name in enumerate(('weight', 'bias'))]
        kept = [Place('kept'), Place('kept', self.keeps // 2)] if self.keeps else [None, None]
        arguments = [Place('y'), Place('x'), Place('mean_logits'), Place('cov_logits'), *sample, *given, *affine, *kept,
                     call.settings.eps]
        self._starts: list[Start] = [pieces.moments(_BUFFERS, at, sample, [None, None], False)] if image else []
        self._starts.append(passing(evaluate_kernel, _BUFFERS, call, plan, arguments, COUNT=len(words),
                                    ITERATIONS=newton_steps(call.settings), **logit_positions(words)))

    def __call__(self, x: Tensor, parameters: Sequence[Tensor | None], running: Sequence[Tensor | None],
                 kept: Tensor | None) -> Tensor:
        """y. What is `kept` may be NaN before the first call."""
        y = torch.empty_like(x)
        scratch = x.new_empty(self._size, dtype=torch.float32) if self._size else None
        tickets = tickets_for(x.device, self._tickets) if self._tickets else None
        run(self._starts, (x, y, scratch, tickets, kept, *parameters, *running))
        return y
