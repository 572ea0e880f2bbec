"""How the time of SWa grows with the pixels of a batch and with the group size (Table 1 of the paper: O(C·D·N·L)).

Each growth is a series of points whose size doubles or more, BatchNorm2d beside it, and the slope of log time over log
size: 1 is linear growth. Small inputs cost what launching the operations costs, so the slope over N·L is fitted to the
three largest.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sw_mmseg.benchmark.measure import digits, in_turn, markdown
from sw_mmseg.benchmark.norms import BASELINE, NORMS
from sw_mmseg.whitening import SwitchWhiten2d

__all__ = ['Growth', 'fit_slope', 'measure_growth', 'render_growth']

CHANNELS = 64
BATCHES = [(2, 32), (2, 64), (8, 64), (8, 128), (32, 128)]  # N, and H = W: N·L grows by four
GROUP_SIZES = [4, 8, 16, 32, 64]
GROUP_BATCH = (8, 64)
WARMUP = 2


class Growth(NamedTuple):
    """Milliseconds at growing sizes, by norm, and the fitted slope of each, of the last `fitted` points."""

    title: str
    sizes: list[int]
    times: dict[str, list[float]]
    slopes: dict[str, float]
    fitted: int


def measure_growth(make_step: Callable[..., Callable[[], None]], args: argparse.Namespace) -> list[Growth]:
    """`make_step(norm, shape, args)` gives what is timed, with `norm` a function of the channel count."""
    print('growth with N·L', flush=True)
    over_pixels: dict[str, list[float]] = {BASELINE: [], 'SWa': []}
    for n, side in BATCHES:
        steps = {name: make_step(NORMS[name], (n, CHANNELS, side, side), args) for name in over_pixels}
        for name, value in _medians(steps, args).items():
            over_pixels[name].append(value)
    print('growth with D', flush=True)
    n, side = GROUP_BATCH
    norms = {BASELINE: NORMS[BASELINE], **{str(d): partial(SwitchWhiten2d, group_size=d) for d in GROUP_SIZES}}
    medians = _medians({name: make_step(norm, (n, CHANNELS, side, side), args) for name, norm in norms.items()}, args)
    over_groups = {BASELINE: [medians[BASELINE]] * len(GROUP_SIZES), 'SWa': [medians[str(d)] for d in GROUP_SIZES]}
    pixels = [n * side * side for n, side in BATCHES]
    return [
        _growth(f'N·L, at C = {CHANNELS}, D = 16', pixels, over_pixels, 3),
        _growth(f'D, at {n}×{CHANNELS}×{side}×{side}', GROUP_SIZES, over_groups, len(GROUP_SIZES)),
    ]


def fit_slope(sizes: list[int], times: list[float]) -> float:
    """Least squares of log time over log size: the exponent of a power law."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in times]
    return statistics.linear_regression(x, y).slope


def render_growth(growth: Growth) -> str:
    """Markdown: a row a norm, a column a size, and the exponent."""
    rows = [[name, *map(digits, values), f'{growth.slopes[name]:.2f}'] for name, values in growth.times.items()]
    which = 'all' if growth.fitted == len(growth.sizes) else f'the last {growth.fitted}'
    header = ['norm', *map(str, growth.sizes), f'slope of {which}']
    return f'**growth with {growth.title}**, forward + backward, float32: ms\n\n{markdown(header, rows)}'


def _growth(title: str, sizes: list[int], times: dict[str, list[float]], fitted: int) -> Growth:
    slopes = {name: fit_slope(sizes[-fitted:], values[-fitted:]) for name, values in times.items()}
    return Growth(title, sizes, times, slopes, fitted)


def _medians(steps: dict[str, Callable[[], None]], args: argparse.Namespace) -> dict[str, float]:
    rounds = max(1, args.rounds // 2)
    times = in_turn(steps, args.device, rounds, WARMUP, args.repeats)
    return {name: statistics.median(values) for name, values in times.items()}
