"""Table 1 of the paper measured, and Table 5 from a study."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from sw_mmseg.analysis.cost import AXES, growth_table, plot_growth
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import Table, to_csv, to_markdown
from sw_mmseg.benchmark.measure import environment, in_turn, peak_mib
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

__all__ = ['POINTS', 'TABLE_5', 'measure', 'table_5', 'write']

# axis -> (N, C, side, D) of every point
POINTS = {
    'N': [(n, 64, 64, 16) for n in (2, 4, 8, 16, 32)],
    'C': [(4, c, 64, 16) for c in (32, 64, 128, 256, 512)],
    'HW': [(4, 64, side, 16) for side in (32, 64, 128, 256)],
    'D': [(4, 64, 128, d) for d in (4, 8, 16, 32, 64)],
    'C = D': [(4, c, 64, c) for c in (16, 32, 64, 128)],
}
TABLE_5 = {
    'bn_fcn_cityscapes': ('BN', '–', 72.1, 0.52),
    'bw7eigh_fcn_cityscapes': ('BW', 'svd', 72.4, 1.09),
    'sw7eigh_fcn_cityscapes': ('SWa', 'svd', 75.7, 1.24),
    'sw7_fcn_cityscapes': ('SWa', 'iterative', 76.0, 0.67),
}
Measured = dict[str, dict[str, tuple[list[int], list[float]]]]  # norm -> axis -> sizes, values


def make_step(norm: str, point: tuple[int, int, int, int], device: str) -> Callable[[], None]:
    """Forward and backward of the layer with a norm's statistics, which makes standardisation and whitening share all
    code but their algebra."""
    n, c, side, d = point
    layer = SwitchWhiten2d(c, statistics=PRESETS[norm], group_size=d).to(device)
    x, grad = (torch.randn(n, c, side, side, device=device) for _ in range(2))
    x.requires_grad_()

    def step() -> None:
        x.grad = None
        layer(x).backward(grad)

    return step


def size_of(axis: str, point: tuple[int, int, int, int]) -> int:
    """The number that grows."""
    n, c, side, d = point
    return {'N': n, 'C': c, 'HW': side * side, 'D': d, 'C = D': c}[axis]


def measure(args: argparse.Namespace) -> tuple[Measured, Measured]:
    """Median milliseconds, and MiB at the peak."""
    times: Measured = {norm: {} for norm in args.norms}
    memory: Measured = {norm: {} for norm in args.norms}
    for axis in args.axes:
        for n, c, side, d in POINTS[axis]:
            point = (n, c, side // args.shrink, d)
            steps = {norm: make_step(norm, point, args.device) for norm in args.norms}
            durations = in_turn(steps, args.device, args.rounds, 1)
            for norm in steps:
                height = peak_mib(partial(make_step, norm, point, args.device), args.device)
                for table, value in ((times, statistics.median(durations[norm])), (memory, height)):
                    sizes, values = table[norm].setdefault(axis, ([], []))
                    sizes.append(size_of(axis, point))
                    values.append(value)
            print(
                f'{axis} = {size_of(axis, point)}: '
                + ', '.join(f'{norm} {statistics.median(durations[norm]):.2f} ms' for norm in args.norms),
                flush=True,
            )
    return times, memory


def points_table(times: Measured, memory: Measured) -> Table:
    """Every measurement, for reading back."""
    rows = [
        (norm, axis, size, ms, mib)
        for norm, curves in times.items()
        for axis, (sizes, values) in curves.items()
        for size, ms, mib in zip(sizes, values, memory[norm][axis][1])
    ]
    return Table(('norm', 'axis', 'size', 'milliseconds', 'MiB at the peak'), tuple(rows), digits=3)


def write(folder: Path, times: Measured, memory: Measured, args: argparse.Namespace) -> str:
    """points.csv, a plot an axis, cost.md; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'points.csv').write_text(to_csv(points_table(times, memory)))
    words = {norm: PRESETS[norm] for norm in args.norms}
    about = f'{environment(args.device)}, {args.rounds} rounds, forward and backward in fp32'
    parts = [
        f'What Table 1 predicts, and the fitted exponent [95% interval]. {about}. '
        + '; '.join(f'{axis}: {AXES[axis]}' for axis in args.axes)
        + '.'
    ]
    parts += [
        '**Time**',
        to_markdown(growth_table(times, words)).strip(),
        '**Memory at the peak**, of which Table 1 says nothing',
        to_markdown(growth_table(memory)).strip(),
    ]
    for axis in args.axes:
        file = f'cost_{axis.replace(" = ", "")}.png'
        curves = {norm: axis_times[axis] for norm, axis_times in times.items()}
        (folder / file).write_bytes(
            figure_png(
                lambda theme, curves=curves, axis=axis: plot_growth(curves, axis, 'milliseconds', theme=theme), LIGHT
            )
        )
        parts.append(f'![Time over {AXES[axis]}]({file})')
    page = '\n\n'.join(parts) + '\n'
    (folder / 'cost.md').write_text(f'# Cost of the statistics (Table 1)\n\n{page}')
    return page


def table_5(study: Path) -> Table:
    """mIoU and seconds of an iteration on streets beside the paper's, a row a config that the study has."""
    from sw_mmseg.analysis.tables import mean_std

    results: dict[str, list[dict]] = {}
    for file in sorted(study.glob('results/*.json')):
        result = json.loads(file.read_text())
        results.setdefault(result['name'], []).append(result)
    rows = []
    for name, (norm, method, miou, seconds) in TABLE_5.items():
        group = results.get(name, [])
        rows.append(
            (
                norm,
                method,
                miou,
                seconds,
                mean_std([r['mean_iou'] for r in group]) if group else None,
                mean_std([r['seconds'] / r['iterations'] for r in group], 2) if group else None,
            )
        )
    return Table(
        ('norm', 'whitening', 'mIoU, paper', 's an iteration, paper', 'mIoU on streets, ours', 's an iteration, ours'),
        tuple(rows),
        "The paper's times are of a V100 on Cityscapes, ours of two CPU cores on small streets: compare rows, "
        'not columns.',
        2,
    )
