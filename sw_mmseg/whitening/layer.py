"""Switchable Whitening as a layer that looks like `torch.nn.BatchNorm2d` (Sections 3.2 to 3.4 of the paper).

Departures from the paper: running covariances are unbiased and without eps, as torch's running variance is, so that a
BatchNorm checkpoint loads; `momentum` has torch's sense. Subclassing torch's BatchNorm of the same rank is what makes
closed isinstance lists elsewhere (frozen statistics, weight decay of norms, constant initialisation, `update_bn`) treat
the layer as a norm. What folds or converts a BatchNorm asks for its `running_var`, which there is not.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, fx, nn
from torch.nn import init
from torch.nn.modules.batchnorm import _BatchNorm  # private, and what isinstance lists elsewhere look for

from .autograd import Memory, backend_of, resolve_group, whiten, whiten_whole
from .checkpoint import adapt_state_dict
from .checks import (
    NO_RUNNING_VAR,
    check_enough_pixels,
    check_input,
    check_no_transform,
    check_options,
    check_tensors,
    fitting_group_size,
)
from .diagnosis import Diagnosis, diagnose
from .maths import BATCH, WHITENING, Moments, Parameters, Settings, compute_dtype, validate_statistics
from .running import keep_precision, register_running, reset_running, start_skipped, track
from .stored import learned_of, memory_of, nothing_whitened, running_of, tied
from .tracing import as_leaf

__all__ = ['SwitchWhiten', 'SwitchWhiten1d', 'SwitchWhiten2d', 'SwitchWhiten3d']


class SwitchWhiten(_BatchNorm):
    """SW over inputs (N, C, *), with y = γ Σ̂^(−1/2)(x − μ̂) + β and Σ̂, μ̂ the learned mixtures of Equation 6.

    Args:
        num_features: C, the number of channels.
        eps: added once to the diagonal of Σ̂; positive.
        momentum: weight of the new batch in the running statistics, in torch's sense; None averages all batches. The
            default is that of torch's norms, so that every norm of a network averages over the same window and a
            comparison with BatchNorm compares nothing else. The authors' code keeps 0.99 of the old, here 0.01.
        affine: learn γ (`weight`) and β (`bias`), (C,) each.
        statistics: Ω, a non-empty sequence of 'bw', 'iw', 'bn', 'in', 'ln'; the order is that of the logits. The
            default is the paper's SWa; `PRESETS` has the others by name.
        group_size: D, channels whitened together; must divide C. Without a whitening word no matrix is built and D
            is 1, whatever is asked.
        inverse_sqrt: 'newton' (Equation 7) or 'eigh' (Equation 4).
        iterations: T of Newton's iteration.
        tie_weights: one set of logits for means and covariances: `cov_logits` is another name of `mean_logits`.
        track_running_stats: keep running statistics; without them, evaluation takes those of its batch, as torch's
            norms do.
        sync: inside a process group, batch statistics are those of all processes. Without one, the local ones.
        process_group: the group to synchronise over; None for all processes.

    Attributes:
        mean_logits, cov_logits: λ and λ' of Equation 6, (|Ω|,), initialised to 1 as in the paper: equal ratios.
        running_mean (C,), running_cov (G, D, D): statistics for evaluation, in fp32 at least; None where Ω has neither
            'bw' nor 'bn', or nothing is tracked.
        num_batches_tracked, num_batches_skipped: batches that moved them, and batches whose moments were not finite.

    Raises:
        ValueError: when built, for an unknown word or value or a group size that does not fit; when called, for inputs
            of another rank or channel count, without pixels, or too few of them to have a variance.
    """

    ranks: tuple[int, ...] = ()  # of the inputs that the layer takes
    mean_logits: nn.Parameter
    cov_logits: nn.Parameter
    running_cov: Tensor | None
    num_batches_skipped: Tensor | None
    _memory: Memory | None = None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        statistics: Sequence[str] = ('bw', 'iw'),
        group_size: int = 16,
        inverse_sqrt: str = 'newton',
        iterations: int = 5,
        tie_weights: bool = False,
        track_running_stats: bool = True,
        sync: bool = True,
        process_group: dist.ProcessGroup | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        nn.Module.__init__(self)  # not _BatchNorm's, which would register a running variance
        self.statistics = validate_statistics(statistics)
        check_options(num_features, eps, inverse_sqrt, iterations)
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.group_size = 1 if WHITENING.isdisjoint(self.statistics) else fitting_group_size(num_features, group_size)
        self.inverse_sqrt, self.iterations, self.tie_weights = inverse_sqrt, iterations, tie_weights
        self.sync, self.process_group = sync, process_group
        self.track_running_stats = track_running_stats and not BATCH.isdisjoint(self.statistics)
        self._register(device, dtype)
        self.reset_parameters()

    def _register(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        c, new = self.num_features, functools.partial(torch.empty, device=device, dtype=dtype)
        for name in ('weight', 'bias'):
            self.register_parameter(name, nn.Parameter(new(c)) if self.affine else None)
        self.mean_logits = nn.Parameter(new(len(self.statistics)))
        self.cov_logits = self.mean_logits if self.tie_weights else nn.Parameter(torch.empty_like(self.mean_logits))
        register_running(self, self.track_running_stats, device, dtype)

    def reset_running_stats(self) -> None:
        """Mean 0 and the identity as covariance, as if no batch had been seen."""
        reset_running(self)

    def reset_parameters(self) -> None:
        """γ = 1, β = 0, equal ratios, and fresh running statistics."""
        self.reset_running_stats()
        init.ones_(self.mean_logits)
        init.ones_(self.cov_logits)
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of any module, and a leaf for every tracer of `torch.fx` that comes upon it."""
        given = args[0] if args else kwargs.get('input')
        if isinstance(given, fx.Proxy):
            return as_leaf(self, given)
        return super().__call__(*args, **kwargs)

    def forward(self, input: Tensor) -> Tensor:
        """Evaluation takes the running statistics as those of the batch; training takes the input's, and moves them.
        Which way through torch the computation goes, `whiten` says."""
        check_input(self, input)
        parameters = self.learned()
        check_tensors(self, input, parameters)
        of_batch = not BATCH.isdisjoint(self.statistics)
        given = not self.training and (self._buffers['running_mean'] is not None or not of_batch)
        group = resolve_group(self.sync, self.process_group) if self.training and of_batch else None
        if not given:
            if input.shape[0] == 0 and group is None:
                return nothing_whitened(input, parameters)
            check_enough_pixels(self, input, group)
            check_no_transform(self, group)
        settings = self.settings(group)
        backend = backend_of(input, self.group_size)
        if backend is not None and (given or self.momentum is not None):
            memory = memory_of(self) if given else None
            output = whiten_whole(input, parameters, running_of(self), settings, backend, memory)
            if output is not None:
                return output
        if given:
            running = self.running_moments(compute_dtype(input))
            return whiten(input, parameters, running, settings, memory_of(self)).output
        whitened = whiten(input, parameters, None, settings)
        if self.training and self.track_running_stats:  # others switch it off for a while
            track(self, whitened)
        return whitened.output

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> 'SwitchWhiten':
        """What `.to`, `.half` and the like go through."""
        before = dict(self._buffers)
        with tied(self):
            super()._apply(fn, recurse)
        keep_precision(self, before)
        return self

    def learned(self) -> Parameters:
        """Weight, bias and the logits of both mixtures."""
        return learned_of(self)

    def settings(self, group: dist.ProcessGroup | None = None) -> Settings:
        """What is chosen rather than learnt."""
        return Settings(self.statistics, self.group_size, self.eps, self.inverse_sqrt, self.iterations, group)

    def running_moments(self, dtype: torch.dtype) -> Moments | None:
        """The running statistics as batch moments, (1, G, D) and (1, G, D, D); None where Ω needs none."""
        if self.running_mean is None or self.running_cov is None:
            return None
        mean = self.running_mean.to(dtype).view(1, -1, self.group_size)
        return Moments(mean, self.running_cov.to(dtype).unsqueeze(0))

    def diagnose(self, input: Tensor) -> Diagnosis:
        """Condition, residuals and whiteness on `input`, without gradient or a change of state; see `Diagnosis`."""
        return diagnose(self, input)

    def mean_ratios(self) -> dict[str, float]:
        """ω of Equation 6 by statistic."""
        return self._ratios(self.mean_logits)

    def cov_ratios(self) -> dict[str, float]:
        """ω' of Equation 6 by statistic."""
        return self._ratios(self.cov_logits)

    def _ratios(self, logits: Tensor) -> dict[str, float]:
        return dict(zip(self.statistics, logits.detach().double().softmax(0).tolist()))

    def __getattr__(self, name: str) -> Any:
        """Code that asks a norm for `running_var` folds or converts BatchNorm, which would drop the covariance."""
        if name == 'running_var':
            raise AttributeError(NO_RUNNING_VAR.format(type(self).__name__))
        return super().__getattr__(name)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        error_msgs += adapt_state_dict(self, state_dict, prefix)
        with tied(self):
            super()._load_from_state_dict(
                state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
            )
        start_skipped(self)

    def extra_repr(self) -> str:
        """The arguments that differ from the defaults, as BatchNorm prints its own."""
        options = ('num_features', 'eps', 'momentum', 'affine', 'statistics', 'group_size')
        text = ', '.join(f'{word}={getattr(self, word)}' for word in options).replace('num_features=', '', 1)
        if self.group_size > 1:
            text += f', inverse_sqrt={self.inverse_sqrt}'
            text += f', iterations={self.iterations}' if self.inverse_sqrt == 'newton' else ''
        untracked = self.running_mean is None and not BATCH.isdisjoint(self.statistics)
        text += ', track_running_stats=False' if untracked else ''
        return text + (', tie_weights=True' if self.tie_weights else '') + ('' if self.sync else ', sync=False')


# `_BatchNorm` once more as a direct base, since mmengine's init_cfg matches those by name
class SwitchWhiten1d(SwitchWhiten, nn.BatchNorm1d, _BatchNorm):
    """SW over (N, C) or (N, C, L). See `SwitchWhiten2d`."""

    ranks = (2, 3)


class SwitchWhiten2d(SwitchWhiten, nn.BatchNorm2d, _BatchNorm):  # noqa: D101  it is the next line
    __doc__ = SwitchWhiten.__doc__
    ranks = (4,)


class SwitchWhiten3d(SwitchWhiten, nn.BatchNorm3d, _BatchNorm):
    """SW over (N, C, T, H, W). See `SwitchWhiten2d`."""

    ranks = (5,)
