"""What the detection study writes: tables with the norms in columns, a plot, and a section of the documentation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch

from sw_mmseg.analysis.spread import plot_spread
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import Table, mean_std, to_csv, to_markdown
from sw_mmseg.running.records import devices
from sw_mmseg.studies.detection.runs import CAMERA, GAME, REESTIMATED, Result, groups
from sw_mmseg.whitening import NORMS

__all__ = ['label', 'over', 'plot', 'ratio_table', 'result_table', 'section', 'write']

DOMAINS = (GAME, CAMERA, REESTIMATED)
MEASURES = (
    ('bbox', 'AP'),
    ('bbox', 'AP50'),
    ('bbox', 'AP50 person'),
    ('bbox', 'AP50 vehicle'),
    ('segm', 'AP'),
    ('segm', 'AP50'),
)


def label(name: str) -> str:
    """'sw_maskrcnn_streets' -> 'SWa'."""
    word = name.split('_')[0]
    return NORMS[word].title if word in NORMS else word


def result_table(results: list[Result]) -> Table:
    """A row for each domain and measure, a column for each norm; the last row is the seconds that a training took."""
    columns = dict(groups(results))
    rows = [
        (
            domain,
            f'{"box" if kind == "bbox" else "mask"} {measure}',
            *(
                over(group, lambda r, d=domain, k=kind, m=measure: r.scores.get(d, {}).get(k, {}).get(m))
                for group in columns.values()
            ),
        )
        for domain in DOMAINS
        for kind, measure in MEASURES
    ]
    rows.append(('training', 'seconds', *(over(group, lambda r: r.seconds, 0) for group in columns.values())))
    return Table(('tested on', 'measure', *map(label, columns)), tuple(rows))


def over(group: list[Result], value: Callable[[Result], float | None], digits: int = 1) -> float | str | None:
    """Mean and deviation over seeds; None where there is nothing to measure."""
    values = [number for number in map(value, group) if number is not None]
    return mean_std(values, digits) if values else None


def ratio_table(results: list[Result]) -> Table | None:
    """Norm, layer -> its ratios of means and covariances, mean over seeds; None where nothing switches by design.

    SN's are left out: it stands at every one of 67 layers.
    """
    group = [result for result in results if label(result.name) == 'SWa']
    if not group:
        return None
    layers = list(dict.fromkeys(key.rsplit('/', 2)[0] for key in group[0].ratios))
    words = list(dict.fromkeys(key.rsplit('/', 1)[1] for key in group[0].ratios))
    rows = [
        (
            layer,
            *(
                sum(r.ratios[f'{layer}/{kind}/{word}'] for r in group) / len(group)
                for kind in ('mean', 'cov')
                for word in words
            ),
        )
        for layer in layers
    ]
    return Table(
        ('layer', *(f'{kind}, {word}' for kind in ('means', 'covariances') for word in words)), tuple(rows), digits=2
    )


def plot(results: list[Result]) -> bytes:
    """PNG: box AP50, a point a seed, on both domains."""
    scores = {
        f'{label(name)}, {domain}': [r.scores[domain]['bbox']['AP50'] for r in group]
        for domain in (GAME, CAMERA)
        for name, group in groups(results)
    }
    return figure_png(
        lambda theme: plot_spread(scores, 'box AP50 (%)', 'Mask R-CNN, trained on the game', theme), LIGHT
    )


def section(results: list[Result]) -> str:
    """Tables and how they were measured, as Markdown."""
    seeds = max(len(group) for _, group in groups(results))
    iterations = ' or '.join(str(number) for number in sorted({r.iterations for r in results}))
    spread = f'mean ± sample standard deviation of {seeds} seeds' if seeds > 1 else 'one seed'
    measured = (
        f'Percent, after {iterations} iterations on the game\'s images; {spread}. "{REESTIMATED}": running '
        'statistics estimated anew on unlabelled images of the camera, which no training saw; GN keeps none. '
        f'{devices(results)}, torch '
        f'{torch.__version__.split("+")[0]}, {date.today().isoformat()}.'
    )
    parts = [to_markdown(result_table(results)), measured]
    ratios = ratio_table(results)
    if ratios:
        parts += ['Importance ratios of SWa at the end of training, mean over seeds:', to_markdown(ratios)]
    parts.append(f'A run: `{results[0].command}`')
    return '\n\n'.join(part.strip() for part in parts) + '\n'


def write(folder: Path, results: list[Result]) -> None:
    """results.csv, results.md, comparison.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'results.csv').write_text(to_csv(result_table(results)))
    (folder / 'results.md').write_text(section(results))
    (folder / 'comparison.png').write_bytes(plot(results))
