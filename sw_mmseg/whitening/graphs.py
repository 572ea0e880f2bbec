"""A training step as a CUDA graph: recorded once, then replayed by one call of the host, for inputs of one size.

What a graph holds is the work of the device alone, so that a step that waits for a value, or copies one from the host,
cannot be recorded. The layers of this package can, running statistics and counters included, but for those that
decompose eigenvalues. A number that changes from step to step has to be a tensor: a learning rate that is a plain
number stays what it was when the step was recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ['GraphedStep', 'Recorder', 'record']

Step = Callable[..., Any]
Replay = Callable[[], object]
Recorder = Callable[[Step, tuple[Tensor, ...]], tuple[Replay, Any]]


def record(step: Step, inputs: tuple[Tensor, ...]) -> tuple[Replay, Any]:
    """A CUDA graph of `step(*inputs)`, which has run on the device before: its replay, and where the result will be."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step(*inputs)
    return graph.replay, result


class GraphedStep:
    """`step(*inputs)`, which returns tensors, in the same order of calls and with the same results.

    The first `warmup` calls run as they are, in a stream of their own, since kernels are compiled and an optimiser
    makes its state there; the next one records. Inputs of other sizes or types than the recorded ones run as they are,
    and on a CPU all do. The result is overwritten by the next call.

    Args:
        step: takes tensors alone.
        device: where they are.
        warmup: calls before the one that records.
        recorder: what records, `record` on a GPU.
    """

    def __init__(self, step: Step, device: str, warmup: int = 2, recorder: Recorder | None = None) -> None:
        on_gpu = device.startswith('cuda')
        self._step, self._warmup, self._on_gpu = step, warmup, on_gpu
        self._recorder = recorder or (record if on_gpu else None)
        self.forget()

    def forget(self) -> None:
        """Warms up and records anew: the step has changed."""
        self._left = self._warmup
        self._inputs: tuple[Tensor, ...] | None = None
        self._recorded: tuple[Replay, Any] | None = None

    def __call__(self, *inputs: Tensor) -> Any:
        """One step."""
        if self._recorder is None or not self._takes(inputs):
            return self._step(*inputs)
        if self._left > 0:
            self._left -= 1
            return self._aside(inputs)
        if self._inputs is None or self._recorded is None:
            self._inputs = tuple(value.clone() for value in inputs)
            self._recorded = self._recorder(self._step, self._inputs)
        for buffer, value in zip(self._inputs, inputs):
            buffer.copy_(value)
        replay, result = self._recorded
        replay()
        return result

    def _takes(self, inputs: tuple[Tensor, ...]) -> bool:
        if self._inputs is None:
            return True
        if len(inputs) != len(self._inputs):
            return False
        pairs = zip(inputs, self._inputs)
        return all(value.shape == buffer.shape and value.dtype == buffer.dtype for value, buffer in pairs)

    def _aside(self, inputs: tuple[Tensor, ...]) -> Any:
        if not self._on_gpu:
            return self._step(*inputs)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self._step(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return result
