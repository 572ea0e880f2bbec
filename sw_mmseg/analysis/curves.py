"""Training curves: read what mmengine's `LocalVisBackend` wrote, and draw it.

A work directory holds one `TIMESTAMP/vis_data/scalars.json` a start of the run, one JSON object a line.
After a resume the later file goes on from the checkpoint, so that values the earlier one logged behind that point were
never part of the run that finished: they are dropped. No counterpart in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes, series_colours
from sw_mmseg.files import DamagedFileError, parsed_json

__all__ = ['plot_curves', 'read_scalars', 'smooth']

Curve = tuple[list[int], list[float]]


def scalar_files(work_dir: Path) -> list[Path]:
    """The `scalars.json` of every start of a run, oldest first (their folders are named by time)."""
    if work_dir.is_file():
        return [work_dir]
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(
            f'no TIMESTAMP/vis_data/scalars.json under {work_dir}: is it the work directory of a '
            'run whose visualizer has a LocalVisBackend?'
        )
    return files


def read_scalars(work_dir: str | Path) -> dict[str, Curve]:
    """Every logged scalar as `{name: (steps, values)}`, steps increasing.

    Args:
        work_dir: a run's work directory, or one `scalars.json`.

    Raises:
        FileNotFoundError: nothing was logged there.
        DamagedFileError: a line, other than a last one cut short by a kill, is not JSON, or its step no number.
    """
    points: dict[str, dict[int, float]] = {}
    for file in scalar_files(Path(work_dir)):
        records = _records(file)
        if not records:
            continue
        first = min(step for step, _ in records)
        for curve in points.values():
            for step in [s for s in curve if s >= first]:
                del curve[step]
        for step, record in records:
            for name, value in record.items():
                points.setdefault(name, {})[step] = value
    return {name: (sorted(c), [c[s] for s in sorted(c)]) for name, c in points.items() if c}


def _records(file: Path) -> list[tuple[int, dict[str, float]]]:
    records = []
    lines = file.read_text(errors='replace').splitlines()
    for number, line in enumerate(lines, 1):
        try:
            record = parsed_json(line, f'{file}:{number}')
        except DamagedFileError:
            if number == len(lines):
                break
            raise
        step = record.pop('step', record.pop('iter', None))
        if step is not None and not (isinstance(step, int) or isinstance(step, float) and math.isfinite(step)):
            raise DamagedFileError(f'{file}:{number} is damaged: {step!r} is no step')
        numbers = {k: float(v) for k, v in record.items() if isinstance(v, (int, float)) and k != 'iter'}
        if step is not None:
            records.append((int(step), numbers))
    return records


def smooth(values: Sequence[float], weight: float = 0.0) -> list[float]:
    """Exponential moving average without the pull towards the first value; `weight` in [0, 1), 0 changes nothing."""
    if not 0 <= weight < 1:
        raise ValueError(f'weight must be in [0, 1), not {weight}')
    out, total, norm = [], 0.0, 0.0
    for value in values:
        total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        out.append(total / norm)
    return out


def plot_curves(
    curves: Mapping[str, Curve],
    ylabel: str,
    title: str = '',
    theme: Theme = LIGHT,
    colours: Mapping[str, str] | None = None,
    weight: float = 0.0,
    reference: tuple[float, str] | None = None,
) -> Figure:
    """One line a curve over training iterations; the legend is above the axes.

    Args:
        curves: label -> (steps, values).
        colours: label -> colour; where missing the norm's, or the theme's cycle.
        weight: smoothing, see `smooth`.
        reference: a level worth knowing, as (value, its name), drawn dotted.
    """
    if not curves:
        raise ValueError('plot_curves needs at least one curve')
    figure, axes = line_axes(theme, title)
    colours = series_colours(curves, theme) | dict(colours or {})
    for label, (steps, values) in curves.items():
        colour = colours[label]
        marker = 'o' if len(steps) <= 12 else None
        axes.plot(
            steps, smooth(values, weight), label=label, color=colour, linewidth=1.8, marker=marker, markersize=3.5
        )
    if reference is not None:
        axes.axhline(reference[0], color=theme.muted, linestyle=':', linewidth=1.2, label=reference[1])
    axes.set_xlabel('iteration')
    axes.set_ylabel(ylabel)
    rows = legend_above(axes, theme, 0.5)
    figure.set_figheight(figure.get_figheight() + 0.19 * rows)
    return figure
