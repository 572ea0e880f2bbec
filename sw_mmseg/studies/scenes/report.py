"""What the scene parsing study writes: tables, a plot, and the marked sections of docs/scene_parsing.md and
configs/README.md. The paper's numbers stand here once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch

from sw_mmseg.analysis.spread import plot_spread
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import Table, mean_std, to_csv, to_markdown
from sw_mmseg.running.named_configs import find_named
from sw_mmseg.running.records import devices
from sw_mmseg.studies.scenes.runs import Result
from sw_mmseg.whitening import NORMS

__all__ = [
    'class_table',
    'grouped',
    'label',
    'measured',
    'paper_table',
    'paper_tables',
    'plot',
    'ratio_table',
    'result_table',
    'section',
    'write',
]

LABELS = {
    **{word: norm.title for word, norm in NORMS.items()},
    'sw7': 'SWa, 7 sites',
    'sw7eigh': 'SWa, 7 sites, svd',
    'bw7eigh': 'BW, 7 sites, svd',
}
# Table 3: mIoU at a single scale and at several, in percent
TABLE_3 = {
    'ade20k': dict(bn=(36.6, 37.9), sn=(37.8, 38.8), bw=(35.9, 37.8), sw=(39.8, 40.8), swb=(39.8, 40.7)),
    'cityscapes': dict(bn=(72.1, 73.4), sn=(75.0, 76.2), bw=(72.5, 73.7), sw=(76.2, 77.1), swb=(76.0, 77.0)),
}
TABLE_4 = {'bn': (43.59, 81.41), 'sw': (45.33, 82.05)}  # mIoU and pixel accuracy
TABLE_5 = {'bn': 72.1, 'bw7eigh': 72.4, 'sw7eigh': 75.7, 'sw7': 76.0}  # Cityscapes, mIoU
UNMEASURED = 'unmeasured'


def label(name: str) -> str:
    """'sw_pspnet_streets' -> 'SWa'."""
    word = name.split('_')[0]
    return LABELS.get(word, word)


def grouped(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Config -> its results, one a seed."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.name, []).append(result)
    return groups


def result_table(results: Sequence[Result]) -> Table:
    """Config -> mIoU, pixel accuracy and seconds over its seeds."""
    rows = [
        (
            label(name),
            name,
            len(group),
            mean_std([r.mean_iou for r in group]),
            mean_std([r.pixel_accuracy for r in group]),
            round(sum(r.seconds for r in group) / len(group)),
        )
        for name, group in grouped(results).items()
    ]
    return Table(('norm', 'config', 'seeds', 'mIoU', 'pixel accuracy', 'seconds a run'), tuple(rows))


def class_table(results: Sequence[Result]) -> Table | None:
    """Class -> IoU of every config, mean over its seeds; classes that no test picture shows are left out. None where
    the configs have different classes."""
    groups = grouped(results)
    if len({tuple(r.class_iou) for r in results}) > 1:
        return None
    classes = [
        name for name in results[0].class_iou if any(r.class_iou.get(name) == r.class_iou.get(name) for r in results)
    ]
    rows = [
        (name, *(float(sum(r.class_iou[name] for r in group) / len(group)) for group in groups.values()))
        for name in classes
    ]
    return Table(('class', *(label(name) for name in groups)), tuple(rows))


def ratio_table(results: Sequence[Result]) -> Table | None:
    """Config -> mean of the importance ratios over its layers and seeds (Figure 8); None where nothing switches."""
    rows = []
    for name, group in grouped(results).items():
        for kind in ('mean', 'cov'):
            sums: dict[str, list[float]] = {}
            for result in group:
                for key, value in result.ratios.items():
                    layer_kind, word = key.split('/')[-2:]
                    if layer_kind == kind:
                        sums.setdefault(word, []).append(value)
            if len(sums) > 1:
                text = ', '.join(f'{word} {sum(values) / len(values):.2f}' for word, values in sums.items())
                rows.append((label(name), {'mean': 'means', 'cov': 'covariances'}[kind], text))
    return Table(('norm', 'ratios of', 'mean over layers and seeds'), tuple(rows)) if rows else None


def write(folder: Path, results: Sequence[Result]) -> None:
    """results.csv, results.md, comparison.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'results.csv').write_text(to_csv(result_table(results)))
    (folder / 'results.md').write_text(section(results))
    (folder / 'comparison.png').write_bytes(plot(results))


def plot(results: Sequence[Result]) -> bytes:
    """PNG: a point a seed."""
    scores = {label(name): [r.mean_iou for r in group] for name, group in grouped(results).items()}
    if len(scores) < len(grouped(results)):  # one norm in several methods
        scores = {name: [r.mean_iou for r in group] for name, group in grouped(results).items()}
    return figure_png(lambda theme: plot_spread(scores, 'mIoU (%)', 'Scene parsing on streets', theme), LIGHT)


def section(results: Sequence[Result]) -> str:
    """Tables and how they were measured, as Markdown."""
    first = results[0]
    ratios, classes = ratio_table(results), class_table(results)
    parts = [to_markdown(result_table(results)), measured(results)]
    if ratios:
        parts += ["Importance ratios at the end of training (the paper's Figure 8):", to_markdown(ratios)]
    if classes:
        parts += ['IoU of each class, mean over seeds:', to_markdown(classes)]
    parts.append(f'The first run, from a shell: `{first.command}`')
    return '\n\n'.join(part.strip() for part in parts) + '\n'


def measured(results: Sequence[Result]) -> str:
    """What the numbers are of, in a sentence."""
    iterations = sorted({r.iterations for r in results})
    seeds = max(len(group) for group in grouped(results).values())
    spread = f'mean ± sample standard deviation of {seeds} seeds' if seeds > 1 else 'one seed'
    return (
        f'mIoU and pixel accuracy in percent after {" or ".join(map(str, iterations))} iterations, on streets of '
        f'cities that no training saw; {spread}. {devices(results)}, '
        f'torch {torch.__version__.split("+")[0]}, {date.today().isoformat()}.'
    )


def paper_tables(results: Sequence[Result]) -> str:
    """Tables 3, 4 and 5 as Markdown: a row a config, with its command, the paper's number and ours on streets."""
    scores = {
        name: f'{mean_std([r.mean_iou for r in group])}' if len(group) > 1 else f'{group[0].mean_iou:.1f}'
        for name, group in grouped(results).items()
    }
    parts = []
    for data, numbers in TABLE_3.items():
        title = {'ade20k': 'ADE20K', 'cityscapes': 'Cityscapes'}[data]
        rows = [(f'{norm}_fcn_{data}', f'{single} / {several}') for norm, (single, several) in numbers.items()]
        rows += [(f'{norm}_pspnet_{data}', '–') for norm in numbers]
        parts.append((f'### Table 3, {title}: ResNet-50, single / multi scale', 'mIoU, paper (ss / ms)', rows))
    rows = [(f'{norm}_pspnet101_ade20k', f'{miou} ({accuracy})') for norm, (miou, accuracy) in TABLE_4.items()]
    parts.append(('### Table 4, ADE20K: PSPNet-101', 'mIoU (pixel accuracy), paper', rows))
    rows = [(f'{norm}_fcn_cityscapes', f'{miou}') for norm, miou in TABLE_5.items()]
    parts.append(('### Table 5, Cityscapes: seven sites, single scale', 'mIoU, paper', rows))
    return '\n\n'.join(f'{title}\n\n{paper_table(heading, rows, scores)}' for title, heading, rows in parts)


def paper_table(heading: str, rows: Sequence[tuple[str, str]], scores: dict[str, str]) -> str:
    """One of them."""
    cells = []
    for name, paper in rows:
        named = find_named(name)
        words = named.words.removeprefix(named.path)
        cells.append(
            (
                f'[{name}]({named.file.name})',
                f'`tools/dist_train.sh {named.path} 4{words}`',
                paper,
                scores.get(name, UNMEASURED),
            )
        )
    headings = ('row', 'command', heading, 'small, on streets, ours')
    table = Table(headings, tuple(cells))
    return to_markdown(table).strip()
