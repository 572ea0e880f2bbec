"""Bandwidth of each pass of the Triton kernels, and the layer against BatchNorm."""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sw_mmseg.benchmark.measure import compared, in_turn
from sw_mmseg.benchmark.norms import BASELINE, NORMS

__all__ = ['layer_rows', 'missing', 'pass_rows', 'sweep', 'time_layers', 'time_passes', 'title']

LAYERS = (BASELINE, 'BW', 'SWa', 'SWb', 'BN')
TILES = [
    (16, 32, 1, 3),
    (16, 64, 1, 1),
    (16, 64, 1, 2),
    (16, 64, 1, 3),
    (16, 128, 2, 1),
    (16, 128, 2, 2),
    (16, 128, 2, 3),
    (32, 32, 1, 2),
    (32, 64, 2, 2),
    (32, 64, 2, 3),
]  # rows, pixels, warps, stages
Work = Callable[[], object]


def missing() -> str | None:
    """What keeps the kernels from running here."""
    if not torch.cuda.is_available():
        return 'no CUDA device here, and these kernels run on nothing else'
    if importlib.util.find_spec('triton') is None:
        return 'Triton is not installed: it comes with torch for CUDA on Linux'
    return None


def draw(shape: tuple[int, ...], dtype: torch.dtype, channels_last: bool, device: str) -> Tensor:
    x = torch.randn(shape, device=device).to(dtype)
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def passes(x: Tensor, dy: Tensor, y: Tensor, d: int) -> dict[str, tuple[Work, int]]:
    """What to time on one activation, and how many times it moves the activation's bytes; `y` is a copy's target."""
    from sw_mmseg.whitening.backends.triton import backend as kernels

    mean, cov = kernels.sample_moments(x, d)
    shift = kernels.shift(kernels.Moments(mean, cov))
    return {
        'copy': (lambda: y.copy_(x), 2),
        'moments': (lambda: kernels.sample_moments(x, d), 1),
        'apply': (lambda: kernels.apply(x, shift, cov, mean), 2),
        'gradient sums': (lambda: kernels.gradient_sums(dy, x, shift, d), 2),
        'apply gradient': (lambda: kernels.apply_gradient(dy, x, shift, cov, cov, mean), 3),
    }


def graphed(calls: list[Work]) -> Work:
    """A replay of all calls as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # what is compiled or allocated at the first call is so before the capture
        for _ in range(2):
            for call in calls:
                call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    return graph.replay


def copies_beyond_the_cache(x: Tensor) -> int:
    cache = torch.cuda.get_device_properties(x.device).L2_cache_size
    return max(2, -(-4 * cache // (x.numel() * x.element_size())))


def time_passes(shape: tuple[int, ...], dtype: torch.dtype, d: int, args: argparse.Namespace) -> dict[str, tuple]:
    """Of each pass: microseconds, GB/s, share of the copy's rate."""
    x, dy, y = (draw(shape, dtype, args.channels_last, 'cuda') for _ in range(3))
    several = [passes(*(tensor.clone() for tensor in (x, dy, y)), d) for _ in range(copies_beyond_the_cache(x))]
    work = {name: graphed([one[name][0] for one in several]) for name in several[0]}
    times = in_turn(work, 'cuda', args.rounds, 3)
    rates, results = {}, {}
    for name, (_, moved) in several[0].items():
        seconds = statistics.median(times[name]) / 1e3 / len(several)
        rates[name] = moved * x.numel() * x.element_size() / seconds / 1e9
        results[name] = (seconds * 1e6, rates[name], rates[name] / rates['copy'])
    return results


def time_layers(shape: tuple[int, ...], dtype: torch.dtype, args: argparse.Namespace) -> dict[str, tuple]:
    """Of each norm, forward and backward: milliseconds and ratio to BatchNorm as a graph, and the same call by call."""
    x = draw(shape, dtype, args.channels_last, 'cuda')
    grad = torch.randn_like(x)
    several = [x.clone().requires_grad_() for _ in range(copies_beyond_the_cache(x))]
    layers = {name: NORMS[name](shape[1]).to('cuda') for name in LAYERS}

    def step(layer: nn.Module, one: Tensor) -> None:
        one.grad = None
        layer(one).backward(grad)

    calls = {name: [lambda layer=layer, one=one: step(layer, one) for one in several] for name, layer in layers.items()}
    eager = {name: lambda steps=steps: [call() for call in steps] for name, steps in calls.items()}
    kinds = [{name: graphed(steps) for name, steps in calls.items()}, eager]
    results: dict[str, tuple] = dict.fromkeys(layers, ())
    for work in kinds:
        for name, result in compared(work, BASELINE, 'cuda', args.rounds, 3).items():
            results[name] += (result.time / len(several), result.ratio)
    return results


def sweep(shape: tuple[int, ...], dtype: torch.dtype, args: argparse.Namespace) -> dict[tuple[int, ...], dict]:
    """`time_passes` at D = 16 for each of TILES."""
    from sw_mmseg.whitening.backends.triton import tiles as triton_tiles

    chosen, results = triton_tiles.tile_for, {}
    try:
        for tile in TILES:
            triton_tiles.tile_for = lambda *_, tile=tile: tile
            triton_tiles.plan_of.cache_clear()
            results[tile] = time_passes(shape, dtype, 16, args)
            print(f'{tile} done', flush=True)
    finally:
        triton_tiles.tile_for = chosen
        triton_tiles.plan_of.cache_clear()
    return results


def title(shape: tuple[int, ...], dtype: str, args: argparse.Namespace) -> str:
    """Shape, dtype and memory format, as tables name them."""
    return f'{"×".join(map(str, shape))} {dtype}{", channels_last" if args.channels_last else ""}'


def pass_rows(name: str, results: dict[str, tuple]) -> list[list[str]]:
    """Rows of the table of passes: time, bytes a second, and share of the rate of a copy."""
    return [
        [
            name,
            *(
                f'{microseconds:.0f} µs, {rate:.0f} GB/s ({share:.0%})'
                for microseconds, rate, share in results.values()
            ),
        ]
    ]


def layer_rows(name: str, results: dict[str, tuple]) -> list[list[str]]:
    """Rows of the table of layers: time, and its ratio to BatchNorm."""
    return [
        [name, norm, *(f'{ms:.3f} ms ({ratio:.2f})' for ms, ratio in (values[:2], values[2:]))]
        for norm, values in results.items()
    ]
