"""Whether a device computes the layer as fp64 does: outputs, gradients and running statistics; needs torch alone.

The tests compare the kernels piece by piece; this asks the layer itself, where no test runner is installed, before
anything is timed. It also takes each step several times: sums that several programs of a GPU share have to come out
the same to the last bit, whichever of them is last.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

__all__ = ['CASES', 'TOLERANCES', 'Case', 'Outcome', 'check', 'checks']

TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 2e-2}  # of the largest value
REPEATS = 20


class Case(NamedTuple):
    """A layer and an activation; `frozen` takes its gradients in evaluation."""

    norm: str
    shape: tuple[int, int, int, int]
    group_size: int = 16
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    frozen: bool = False


CASES = [
    *(Case(norm, (8, 64, 56, 56)) for norm in ('BN', 'SN', 'BW', 'IW', 'SWa', 'SWb')),
    *(Case('SWa', (4, 64, 97, 97), dtype=dtype, channels_last=last) for dtype in TOLERANCES for last in (False, True)),
    Case('SWb', (2, 96, 40, 30), group_size=3),
    Case('SWb', (3, 64, 33, 17), group_size=32, channels_last=True),
    Case('SWa', (2, 128, 24, 24), group_size=64),
    Case('BW', (200, 32, 7, 7)),
    Case('SWa', (100, 32, 7, 7)),
    Case('SWa', (2, 64, 1, 1)),
    Case('SWb', (4, 64, 40, 40), frozen=True),
    Case('BW', (4, 64, 40, 40), frozen=True),
]


class Outcome(NamedTuple):
    """The largest error by quantity, as a share of the quantity's largest value, and whether repeats were equal."""

    errors: dict[str, float]
    repeats: bool
    passed: bool


def check(case: Case, device: str) -> Outcome:
    """One case on one device."""
    torch.manual_seed(0)
    channels = case.shape[1]
    layer = SwitchWhiten2d(channels, statistics=PRESETS[case.norm], group_size=case.group_size, eps=1e-3)
    for parameter in layer.parameters():
        parameter.data.normal_()
    layer = layer.train(not case.frozen).to(device)
    form = torch.channels_last if case.channels_last else torch.contiguous_format
    x = (torch.randn(case.shape) * 2 + 3 * torch.rand(case.shape[0], channels, 1, 1)).to(case.dtype)
    x, dy = (value.to(device).contiguous(memory_format=form) for value in (x, torch.randn(case.shape).to(case.dtype)))
    exact = _step(copy.deepcopy(layer).double(), x.double(), dy.double())
    values = _step(copy.deepcopy(layer), x, dy)
    errors = {name: _error(values[name], exact[name]) for name in exact}
    again = (_step(copy.deepcopy(layer), x, dy) for _ in range(REPEATS))
    repeats = all(torch.equal(values[name], other[name]) for other in again for name in values)
    passed = repeats and all(error <= TOLERANCES[case.dtype] for error in errors.values())
    return Outcome(errors, repeats, passed)


def checks(device: str) -> Iterator[tuple[Case, Outcome]]:
    """All cases, one after the other."""
    for case in CASES:
        yield case, check(case, device)


def _step(layer: SwitchWhiten2d, x: Tensor, dy: Tensor) -> dict[str, Tensor]:
    """Everything that a step and evaluations after it give, by name; the layer's buffers move."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    y.backward(dy)
    assert x.grad is not None
    results = {'y': y.detach(), 'dx': x.grad}
    results |= {f'd{name}': value.grad for name, value in layer.named_parameters() if value.grad is not None}
    results |= {name: value.clone() for name, value in layer.named_buffers() if name.startswith('running')}
    with torch.no_grad():  # the second time with what the first kept
        return results | {f'evaluation {turn}': layer.eval()(x) for turn in (1, 2)}


def _error(value: Tensor, exact: Tensor) -> float:
    """Relative to the largest of the exact values, or to a hundredth where all are small."""
    if not torch.isfinite(value).all():
        return float('inf')
    return float((value.double() - exact).abs().max() / exact.abs().max().clamp_min(1e-2))
