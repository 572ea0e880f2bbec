"""The running statistics of a layer: where they are kept, and how a batch moves them (lines 7 and 8 of Algorithm 1).

They are in fp32 at least, whatever the layer is converted to: a variance above 65504 is infinite in half precision, and
bf16 has too few digits to add a hundredth to. A batch whose moments are not finite moves none of them, since it would
spoil them for good. It is counted in `num_batches_skipped`, which no state dict holds: reading it is up to the user,
because a layer that looked at it would make a GPU wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .backends import select
from .maths import Moments
from .stored import counters_of

if TYPE_CHECKING:
    from .autograd import Whitened
    from .layer import SwitchWhiten

__all__ = ['keep_precision', 'register_running', 'reset_running', 'start_skipped', 'track']


def register_running(
    layer: SwitchWhiten, tracked: bool, device: torch.device | str | None, dtype: torch.dtype | None
) -> None:
    """The buffers, not yet filled; all None where nothing is tracked."""
    c, d, dtype = layer.num_features, layer.group_size, _at_least_single(dtype or torch.get_default_dtype())
    shapes = {'running_mean': (c,), 'running_cov': (c // d, d, d)}
    for name, shape in shapes.items():
        layer.register_buffer(name, torch.empty(shape, device=device, dtype=dtype) if tracked else None)
    for name in ('num_batches_tracked', 'num_batches_skipped'):
        counter = torch.zeros((), dtype=torch.long, device=device) if tracked else None
        layer.register_buffer(name, counter, persistent=name == 'num_batches_tracked')


def reset_running(layer: SwitchWhiten) -> None:
    """Mean 0 and the identity as covariance, as if no batch had been seen."""
    if layer.running_mean is not None and layer.running_cov is not None:
        layer.running_mean.zero_()
        cov = layer.running_cov
        cov.copy_(torch.eye(layer.group_size, dtype=cov.dtype, device=cov.device).expand_as(cov))
    for counter in (layer.num_batches_tracked, layer.num_batches_skipped):
        if counter is not None:
            counter.zero_()


def keep_precision(layer: SwitchWhiten, before: dict[str, Tensor | None]) -> None:
    """After a conversion of `layer`, whose buffers were `before`: moments in fp32 at least, counters whole numbers."""
    for name, old in before.items():
        new = getattr(layer, name)
        if old is None or new is None:
            continue
        dtype = _at_least_single(new.dtype) if old.is_floating_point() else old.dtype
        if dtype != new.dtype:
            setattr(layer, name, old.to(device=new.device, dtype=dtype))
        if name == 'num_batches_skipped' and old.is_meta and not new.is_meta:  # given memory, by `to_empty`
            new.zero_()


def start_skipped(layer: SwitchWhiten) -> None:
    """Zero for a layer built without values whose other buffers a state dict has given, which has no such count."""
    tracked, skipped = layer.num_batches_tracked, layer.num_batches_skipped
    if tracked is not None and skipped is not None and skipped.is_meta and not tracked.is_meta:
        layer.num_batches_skipped = torch.zeros_like(skipped, device=tracked.device)


@torch.no_grad()
def track(layer: SwitchWhiten, batch: Whitened) -> None:
    """Moves them by one batch, with the unbiased covariance; nothing where Ω has no batch statistic."""
    running_mean, running_cov = layer.running_mean, layer.running_cov
    if batch.mean is None or batch.cov is None or running_mean is None or running_cov is None:
        return
    if layer.num_batches_tracked is None and layer.momentum is None:  # torch's norms leave them where they are, too
        return
    counters = counters_of(layer)
    pixels, dtype = batch.pixels, running_cov.dtype
    seen: int | Tensor = 1
    scale: float | Tensor = 1.0
    if isinstance(pixels, Tensor):  # of all processes: reading it would make a GPU wait, and it may be 0
        seen, scale = pixels > 0, (pixels / (pixels - 1).clamp_min(1)).to(batch.cov.dtype)
    else:
        scale = pixels / max(pixels - 1, 1)
    factor = 1.0 / (counters.tracked + seen).clamp_min(1).to(dtype) if layer.momentum is None else layer.momentum
    if isinstance(seen, Tensor):
        factor = factor * seen.to(dtype)
    backend = select(batch.mean, layer.group_size)
    backend.track(
        Moments(running_mean, running_cov),
        counters,
        Moments(batch.mean, batch.cov),
        factor,
        scale,
        seen,
    )


def _at_least_single(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
