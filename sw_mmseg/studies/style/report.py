"""What the style study writes: the paper's Figure 4 as curves and a table, Figures 5 and 9 as a contact sheet, and the
marked section of docs/style_transfer.md."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from sw_mmseg.analysis.curves import plot_curves, smooth
from sw_mmseg.analysis.style import LIGHT, Theme, legend_above, line_axes, series_colours
from sw_mmseg.analysis.tables import Table, mean_std, to_csv, to_markdown
from sw_mmseg.studies.scenes.report import grouped
from sw_mmseg.studies.style.runs import CELL, Curve, Result
from sw_mmseg.whitening import NORMS

__all__ = [
    'label',
    'last_tenth',
    'loss_table',
    'measured',
    'over_seeds',
    'plot_losses',
    'plot_ratios',
    'ratio_table',
    'section',
    'sheet',
    'write',
]

SMOOTHING = 0.7
TITLE = 26  # pixels above the sheet's columns
CAPTIONS = {
    'style_content': 'Content loss over training, a line a norm',
    'style_style': 'Style loss over training, a line a norm',
    'style_ratios_sw': 'Importance ratios of SWa over training',
    'style_ratios_swb': 'Importance ratios of SWb over training',
    'style_sheet': 'Contents in rows, stylised with each norm in columns',
}


def label(name: str) -> str:
    """'swb_style_streets' -> 'SWb'."""
    word = name.split('_')[0]
    return NORMS[word].title if word in NORMS else word


def last_tenth(curve: Curve) -> float:
    """Mean of what was logged in the last tenth of the iterations: single batches differ too much."""
    steps, values = curve
    return statistics.mean(v for step, v in zip(steps, values) if step > 0.9 * steps[-1])


def loss_table(results: Sequence[Result]) -> Table:
    """Config -> losses at the end and seconds over its seeds."""
    rows = [
        (
            label(name),
            name,
            len(group),
            *(mean_std([last_tenth(r.losses[word]) for r in group], 2) for word in ('content', 'style')),
            round(statistics.mean(r.seconds for r in group)),
        )
        for name, group in grouped(results).items()
    ]
    return Table(('norm', 'config', 'seeds', 'content loss', 'style loss', 'seconds a run'), tuple(rows), digits=2)


def ratio_table(results: Sequence[Result]) -> Table | None:
    """Config -> mean importance ratios at the end; None where nothing switches."""
    rows = []
    for name, group in grouped(results).items():
        for kind, word in (('mean', 'means'), ('cov', 'covariances')):
            keys = [key for key in group[0].ratios if key.startswith(f'{kind}/')]
            if len(keys) > 1:
                text = ', '.join(
                    f'{key.split("/")[1]} {statistics.mean(r.ratios[key][1][-1] for r in group):.2f}' for key in keys
                )
                rows.append((label(name), word, text))
    return Table(('norm', 'ratios of', 'mean over layers and seeds'), tuple(rows)) if rows else None


def over_seeds(curves: Sequence[Curve]) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Steps, and mean and sample standard deviation of the smoothed values at them."""
    values = np.array([smooth(curve[1], SMOOTHING) for curve in curves])
    spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros_like(values[0])
    return curves[0][0], values.mean(0), spread


def plot_losses(results: Sequence[Result], word: str, theme: Theme = LIGHT) -> Figure:
    """A loss by iteration: mean over seeds as a line, standard deviation as a band. Logarithmic: the start is steep."""
    figure, axes = line_axes(theme, f'{word.capitalize()} loss in training')
    colours = series_colours(map(label, grouped(results)), theme)
    for name, group in grouped(results).items():
        steps, mean, spread = over_seeds([result.losses[word] for result in group])
        colour = colours[label(name)]
        axes.plot(steps, mean, label=label(name), color=colour, linewidth=1.8)
        axes.fill_between(
            steps, np.maximum(mean - spread, 1e-3 * mean), mean + spread, color=colour, alpha=0.15, linewidth=0
        )
    axes.set_yscale('log')
    axes.yaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_minor_formatter('{x:g}')
    axes.tick_params(which='both', colors=theme.muted, labelsize=9, length=0)
    axes.set_xlabel('iteration')
    axes.set_ylabel(f'{word} loss')
    figure.set_figheight(figure.get_figheight() + 0.19 * legend_above(axes, theme, 0.5))
    return figure


def plot_ratios(results: Sequence[Result], name: str) -> Figure | None:
    """The covariances' ratios of one config by iteration, mean over layers and seeds; None where nothing switches."""
    group = grouped(results).get(name, [])
    keys = [key for key in (group[0].ratios if group else {}) if key.startswith('cov/')]
    if len(keys) < 2:
        return None
    curves = {
        key.split('/')[1]: (group[0].ratios[key][0], list(np.mean([result.ratios[key][1] for result in group], 0)))
        for key in keys
    }
    return plot_curves(curves, "importance ratio ω'", f'{label(name)}: covariances, mean over layers')


def sheet(results: Sequence[Result], contents: Sequence[np.ndarray], folder: Path) -> Image.Image:
    """A row a content; columns are the content and every norm's picture of it, first seed."""
    columns = {'content': list(contents)}
    for name, group in grouped(results).items():
        columns[label(name)] = [np.asarray(Image.open(folder / file)) for file in group[0].pictures]
    width, height = CELL
    out = Image.new('RGB', (width * len(columns), TITLE + height * len(contents)), 'white')
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(18)
    for column, (title, pictures) in enumerate(columns.items()):
        draw.text((column * width + 6, 3), title, fill='black', font=font)
        for row, picture in enumerate(pictures):
            out.paste(Image.fromarray(picture), (column * width, TITLE + row * height))
    return out


def write(folder: Path, results: Sequence[Result], contents: Sequence[np.ndarray]) -> dict[str, Path]:
    """results.csv, results.md and the figures; returns the figures by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'results.csv').write_text(to_csv(loss_table(results)))
    (folder / 'results.md').write_text(section(results))
    files = {}
    for word in ('content', 'style'):
        files[f'style_{word}'] = folder / f'style_{word}.png'
        plot_losses(results, word).savefig(files[f'style_{word}'], dpi=150, metadata={'Software': None})
    for name in grouped(results):
        figure = plot_ratios(results, name)
        if figure is not None:
            files[f'style_ratios_{name.split("_")[0]}'] = file = folder / f'style_ratios_{name.split("_")[0]}.png'
            figure.savefig(file, dpi=150, metadata={'Software': None})
    files['style_sheet'] = folder / 'style_sheet.jpg'
    sheet(results, contents, folder / 'results').save(files['style_sheet'], quality=92)
    return files


def section(results: Sequence[Result], pictures: Sequence[str] = ()) -> str:
    """Figures, tables and how they were measured, as Markdown."""
    ratios = ratio_table(results)
    parts = [f'![{CAPTIONS.get(Path(name).stem, Path(name).stem)}]({name})' for name in pictures]
    parts += [to_markdown(loss_table(results)), measured(results)]
    if ratios:
        parts += ["Importance ratios at the end (the paper's Figures 4 and 8):", to_markdown(ratios)]
    first = results[0]
    command = first.command.replace(f'{first.name}_seed{first.seed}', f'{first.name}_seedN')
    command = command.replace(f'--seed {first.seed}', '--seed N')
    return '\n\n'.join(part.strip() for part in [*parts, f'One run, from a shell: `{command}`']) + '\n'


def measured(results: Sequence[Result]) -> str:
    """What the numbers are of, in a sentence."""
    iterations = sorted({result.iterations for result in results})
    seeds = max(len(group) for group in grouped(results).values())
    spread = f'mean ± sample standard deviation of {seeds} seeds' if seeds > 1 else 'one seed'
    threads = f'{torch.get_num_threads()} thread' + 's' * (torch.get_num_threads() > 1)
    return (
        f'Training losses, means of the last tenth of {" or ".join(map(str, iterations))} iterations; {spread}. '
        f'{threads} of an {platform.machine()} CPU, torch '
        f'{torch.__version__.split("+")[0]}, {date.today().isoformat()}.'
    )
