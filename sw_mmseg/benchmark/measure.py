"""What the benchmarks share: timing in turn, peak memory, where a table was measured, Markdown. Needs torch alone.

Candidates are timed in turn, round after round, in alternating order, so that a machine that slows down slows all of
them; a ratio is the median over rounds of a candidate's time divided by the baseline's of the same round. Where it
differs by more than a tenth from the ratio of the two median times, a few rounds say something else than the others:
such a run is repeated, and after ATTEMPTS of them its numbers are NaN.

Peak memory is that of torch's allocators: on a GPU what the caching allocator had handed out, on a CPU the running sum
of the allocations and releases that torch's profiler records. What a library takes for itself without asking torch,
such as scratch of a matrix product, is in neither.
"""

import argparse
import gc
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.autograd.profiler import profile

__all__ = [
    'MIB',
    'Compared',
    'check_common',
    'compared',
    'digits',
    'environment',
    'in_turn',
    'markdown',
    'median_ratio',
    'milliseconds',
    'peak_mib',
    'synchronise',
    'write',
]

MIB = 2**20
ATTEMPTS, TOLERANCE = 3, 0.1
os.environ.setdefault('KINETO_LOG_LEVEL', '5')  # the profiler else reports that a machine has no GPU


def check_common(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse in one line what nothing can be measured with, a missing device or no round; set the CPU threads."""
    try:
        torch.empty(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f'--device {args.device} cannot be used here: {str(error).splitlines()[0]}')
    for option in ('rounds', 'threads', 'repeats', 'batch'):
        value = getattr(args, option, None)
        if value is not None and value < 1:
            parser.error(f'--{option} must be at least 1, got {value}')
    if hasattr(args, 'threads'):
        torch.set_num_threads(args.threads)


def synchronise(device: str) -> None:
    """Wait for what a GPU has been given to do; nothing on a CPU."""
    if device.startswith('cuda'):
        torch.cuda.synchronize(device)


def milliseconds(work: Callable[[], object], device: str, repeats: int = 1) -> float:
    """Of one call; with `repeats`, a device's queue is not drained between the calls."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    synchronise(device)
    return (time.perf_counter() - start) * 1e3 / repeats


def in_turn(
    work: dict[str, Callable[[], object]],
    device: str,
    rounds: int,
    warmup: int,
    repeats: int = 1,
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[float]]:
    """Milliseconds of every candidate in every round; `warmup` rounds before them do not count."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for index in range(warmup + rounds):
        if progress is not None:
            progress(index)
        for name in list(work)[:: 1 if index % 2 else -1]:
            times[name].append(milliseconds(work[name], device, repeats))
    return {name: values[warmup:] for name, values in times.items()}


def median_ratio(times: Sequence[float], baseline: Sequence[float]) -> float:
    """The median over rounds of a candidate's time by the baseline's."""
    return statistics.median(duration / base for duration, base in zip(times, baseline, strict=True))


class Compared(NamedTuple):
    """Of a candidate: median milliseconds, the median ratio to the baseline, and the milliseconds of every round."""

    time: float
    ratio: float
    times: list[float]


def compared(
    work: dict[str, Callable[[], object]],
    baseline: str,
    device: str,
    rounds: int,
    warmup: int,
    repeats: int = 1,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Compared]:
    """`in_turn`, again until each ratio agrees with the times; time and ratio are NaN of what never did."""
    results: dict[str, Compared] = {}
    for _ in range(ATTEMPTS):
        times = in_turn(work, device, rounds, warmup, repeats, progress)
        base = statistics.median(times[baseline])
        results = {
            name: Compared(statistics.median(values), median_ratio(values, times[baseline]), values)
            for name, values in times.items()
        }
        unsteady = [name for name, result in results.items() if abs(result.ratio * base / result.time - 1) > TOLERANCE]
        if not unsteady:
            return results
    return {
        name: Compared(math.nan, math.nan, result.times) if name in unsteady else result
        for name, result in results.items()
    }


def peak_mib(build: Callable[[], Callable[[], object]], device: str) -> float:
    """MiB that a step of `build()` has allocated at its height, with all that `build` and steps before it left.

    One step comes before, in which an optimiser makes its state; on a GPU two, since the first also searches kernels.
    """
    if device.startswith('cuda'):
        gc.collect()
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(device)
        step = build()
        step()
        step()
        synchronise(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        synchronise(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MIB
    steps = []

    def prepare() -> None:
        steps.append(build())
        steps[0]()

    left, _ = _allocations(prepare)
    _, height = _allocations(steps[0])
    return (left + height) / MIB


def _allocations(work: Callable[[], object]) -> tuple[int, int]:
    """Bytes that `work()` leaves allocated on the CPU, and the most that it had allocated at once, by the profiler."""
    with profile(profile_memory=True) as recorded:
        work()
    now = height = 0
    events = [event for event in recorded.kineto_results.events() if event.name() == '[memory]']
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        height = max(height, now)
    return now, height


def environment(device: str) -> str:
    """Device, torch and date, as a table's first line needs them."""
    if device.startswith('cuda'):
        tf32 = 'on' if torch.backends.cudnn.allow_tf32 else 'off'
        where = f'{torch.cuda.get_device_name(device)}, TF32 in convolutions {tf32}'
    else:
        where = f'{torch.get_num_threads()} threads of {_processor()}'
    return f'{where}, torch {torch.__version__}, {time.strftime("%Y-%m-%d")}'


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    information = Path('/proc/cpuinfo')
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return f'{names[0]} ({platform.machine()})' if names else platform.machine()


def digits(value: float) -> str:
    """Three of them, and never an exponent for what is large."""
    return f'{value:.3g}' if value < 999.5 else f'{value:.0f}'


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns also line up where Markdown is not rendered."""
    rows = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ['| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |' for row in rows]
    return '\n'.join([lines[0], '|' + '|'.join('-' * (width + 2) for width in widths) + '|', *lines[1:]]) + '\n'


def write(text: str, path: Path | None) -> None:
    """Print, and write to a file where one is asked for."""
    print('\n' + text)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
