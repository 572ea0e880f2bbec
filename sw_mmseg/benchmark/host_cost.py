"""What a call costs the host on the Triton path: kernels started, operations of torch, and time without the kernels.

Starts of kernels are replaced by nothing, so that it runs on any machine with Triton, on tensors of a CPU: what is left
is Python, torch's allocations and views, and the look-up of each compiled kernel. Torch's own work on these small
tensors is part of it, as it is, in place of a launch, on a GPU. BatchNorm2d is timed with its whole computation, on an
activation so small that it hardly counts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile

from sw_mmseg.benchmark.measure import compared, markdown
from sw_mmseg.benchmark.norms import BASELINE, NORMS

__all__ = ['Cost', 'measured', 'operations', 'replaced', 'steps', 'table']

LAYERS = (BASELINE, 'SWa', 'SWb', 'BW')
SHAPE = (2, 32, 4, 4)
HEADER = ['call', 'norm', 'kernels', 'operations of torch', 'µs (ratio to BatchNorm2d)']
Work = Callable[[], object]
Cost = tuple[int, int, float, float]  # kernels, operations, µs, ratio


@contextmanager
def replaced() -> Iterator[list[str]]:
    """Layers compute on the Triton path, on whatever device, and start nothing: the names of kernels are collected."""
    from sw_mmseg.whitening import layer, running
    from sw_mmseg.whitening.autograd import computation
    from sw_mmseg.whitening.backends.triton import backend
    from sw_mmseg.whitening.backends.triton import launch as starting
    from sw_mmseg.whitening.backends.triton import layer as recipes

    started: list[str] = []

    def start(kernel: Any, *_: object) -> None:
        started.append(kernel.__name__)

    class Compiled:
        """What Triton would have compiled."""

        def __init__(self, kernel: Any, *_: object) -> None:
            self.name = kernel.__name__
            started.append(self.name)

        def __getitem__(self, _: object) -> Callable[..., None]:
            return lambda *_: started.append(self.name)

    with (
        mock.patch.object(starting, '_start', start),
        mock.patch.object(starting, 'compiled_for', Compiled),
        mock.patch.object(recipes, '_recipe', functools.cache(recipes._recipe.__wrapped__)),
        mock.patch.object(layer, 'backend_of', lambda *_: backend),
        mock.patch.object(computation, 'select', lambda *_: backend),
        mock.patch.object(running, 'select', lambda *_: backend),
    ):
        yield started


def steps(layer: nn.Module, x: Tensor) -> dict[str, Work]:
    """What is timed of a layer, by name."""
    grad, leaf = torch.ones_like(x), x.clone().requires_grad_()

    def forward() -> None:
        layer.train()
        layer(leaf)

    def both() -> None:
        layer.train()
        leaf.grad = None
        layer(leaf).backward(grad)

    def evaluation() -> None:
        layer.eval()
        with torch.no_grad():
            layer(leaf)

    return {'forward, training': forward, 'forward + backward, training': both, 'forward, evaluation': evaluation}


def operations(work: Work) -> int:
    """Operations of torch that one call asks for itself, not those that others are made of."""
    work()
    with profile() as recorded:
        work()
    events = [event for event in recorded.function_events if event.name.startswith('aten::')]
    return sum(1 for event in events if event.cpu_parent is None or not event.cpu_parent.name.startswith('aten::'))


def measured(rounds: int, repeats: int) -> dict[str, dict[str, Cost]]:
    """Call -> norm -> its cost."""
    torch.set_num_threads(1)
    x = torch.randn(SHAPE)
    with replaced() as started:
        calls = {name: steps(NORMS[name](SHAPE[1]), x) for name in LAYERS}
        results: dict[str, dict[str, Cost]] = {}
        for call in calls[BASELINE]:
            work = {name: calls[name][call] for name in LAYERS}
            results[call] = {}
            for name, result in compared(work, BASELINE, 'cpu', rounds, 3, repeats).items():
                started.clear()
                work[name]()
                kernels = len(started)
                results[call][name] = (kernels, operations(work[name]), result.time * 1e3, result.ratio)
    return results


def table(results: dict[str, dict[str, Cost]]) -> str:
    """In Markdown."""
    rows = [
        [call, name, str(kernels), str(count), f'{time:.0f} ({ratio:.2f})']
        for call, norms in results.items()
        for name, (kernels, count, time, ratio) in norms.items()
    ]
    return markdown(HEADER, rows)
