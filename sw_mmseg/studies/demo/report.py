"""The demo's results as table, sentences, pictures and the one-file report.

Sentences are made from the numbers and say what these show, no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sw_mmseg.analysis import (
    Section,
    Table,
    by_layer,
    contact_sheet,
    environment,
    image_bytes,
    mean_std,
    page,
    per_class_table,
    plot_class_bars,
    plot_curves,
    plot_network,
    ratio_table,
    read_scalars,
    to_html,
    to_markdown,
    write_report,
)
from sw_mmseg.analysis.style import LIGHT, Theme, figure_png, series_colours
from sw_mmseg.running.records import none_for_nan, write_json
from sw_mmseg.running.scoring import miou
from sw_mmseg.studies.demo.rows import ADVERSARIAL, SOURCE_ONLY, STATISTICS, SWITCHES, TREATMENTS, Row

__all__ = ['Results', 'colours', 'curve_figures', 'grouped', 'label', 'leaders', 'result_table', 'sections',
           'sentences', 'shown_networks', 'switches', 'write_results']

TITLE = 'From a drawn game to drawn cameras: what adapts the network'


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(network, treatment) -> one row a seed, in the order of the table."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for network in dict.fromkeys(row.network for row in rows):
        for treatment in TREATMENTS:
            found = [row for row in rows if (row.network, row.treatment) == (network, treatment)]
            if found:
                groups[network, treatment] = found
    return groups


def result_table(rows: Sequence[Row], images: int) -> Table:
    """Network × treatment -> mIoU on target and source, running statistics, seconds."""
    groups = grouped(rows)
    cells = [(network.upper(), treatment, mean_std([miou(r.target) for r in group]),
              mean_std([miou(r.source) for r in group]), group[0].statistics,
              round(np.mean([r.seconds for r in group])))
             for (network, treatment), group in groups.items()]
    seeds = len({row.seed for row in rows})
    spread = f' Mean ± sample standard deviation of {seeds} seeds.' if seeds > 1 else ''
    return Table(('network', 'treatment', 'target mIoU', 'source mIoU', 'running statistics', 'seconds'), tuple(cells),
                 f'mIoU in percent over {images} target images that no training saw, after the last iteration.{spread}',
                 strong=leaders(list(groups.values())))


def leaders(groups: Sequence[Sequence[Row]]) -> frozenset[int]:
    """The group with the highest mean target mIoU, and those that its or their own deviation does not set apart."""
    scores = [[miou(row.target) for row in group] for group in groups]
    means = [np.mean(own) for own in scores]
    deviations = [np.std(own, ddof=1) if len(own) > 1 else 0.0 for own in scores]
    best = int(np.argmax(means))
    return frozenset(index for index, (mean, deviation) in enumerate(zip(means, deviations))
                     if means[best] - mean <= max(deviations[best], deviation))


def sentences(rows: Sequence[Row], iterations: int) -> list[str]:
    """What the table shows, in words made from its numbers."""
    mean = {key: float(np.mean([miou(r.target) for r in group])) for key, group in grouped(rows).items()}
    source = {key: float(np.mean([miou(r.source) for r in group])) for key, group in grouped(rows).items()}
    lines = []
    for network in dict.fromkeys(row.network for row in rows):
        alone = (network, SOURCE_ONLY)
        text = (f'{network.upper()}, trained on the source alone: {source[alone]:.1f} mIoU on source images it has not '
                f'seen, {mean[alone]:.1f} on the target.')
        if grouped(rows)[network, STATISTICS][0].statistics.startswith('target'):
            text += f' With running statistics of target images and no training: {mean[network, STATISTICS]:.1f}.'
        else:
            text += ' It keeps no running statistics, so there are none to adapt.'
        if (network, SWITCHES) in mean:
            text += f' With its switches learnt again on source images in other light: {mean[network, SWITCHES]:.1f}.'
        lines.append(f'{text} Adversarial training: {mean[network, ADVERSARIAL]:.1f}.')
    (first, best), (second, next_best) = sorted(mean.items(), key=lambda item: -item[1])[:2]
    lines.append(f'Highest here: {first[0].upper()} {first[1]} ({best:.1f}), then {second[0].upper()} {second[1]} '
                 f'({next_best:.1f}).')
    seeds = len({row.seed for row in rows})
    noise = ('Each row is one training with one seed. How far seeds lie apart was not measured, so small differences '
             'between rows mean nothing; --seeds 0 1 2 measures it.' if seeds == 1 else
             f'Each row is {seeds} trainings; differences within the deviations mean nothing.')
    lines.append(f'{noise} {iterations} iterations on drawn scenes say little about a full training on real images.')
    return lines


def shown_networks(rows: Sequence[Row]) -> list[Row]:
    """The first seed's rows that pictures compare: the first network from source only, every network adapted."""
    seed = rows[0].seed
    return [r for r in rows if r.seed == seed and (
        r.treatment == ADVERSARIAL or (r.treatment == SOURCE_ONLY and r.network == rows[0].network))]


def label(row: Row) -> str:
    """'SW adversarial'."""
    return f'{row.network.upper()} {row.treatment}'


def colours(rows: Sequence[Row], theme: Theme) -> dict[str, str]:
    """One colour a network, in curves (by its name) and bars (adversarial); source only is grey."""
    found = {}
    for network, shade in series_colours(dict.fromkeys(row.network.upper() for row in rows), theme).items():
        found |= {network: shade, f'{network} {ADVERSARIAL}': shade, f'{network} {SOURCE_ONLY}': theme.muted}
    return found


def curve_figures(rows: Sequence[Row], folders: dict[str, Path]) -> list[tuple[str, str, object]]:
    """(alt text, caption, draw) of every chart of the adversarial trainings of the first seed."""
    networks = [r.network for r in rows if r.treatment == ADVERSARIAL and r.seed == rows[0].seed]
    scalars = {n.upper(): read_scalars(folders[n]) for n in networks}

    def chart(name: str, curves: dict, ylabel: str, weight: float, reference=None):
        def draw(theme: Theme):
            return plot_curves(curves, ylabel, name, theme, colours(rows, theme), weight, reference)
        ends = ', '.join(f'{k} ends at {v[1][-1]:.2f}' for k, v in curves.items())
        caption = f'Every {curves_step(curves)} iterations, smoothed.' if weight else ''
        return f'{name}: {ends}', caption, draw

    def curves_step(curves: dict) -> int:
        steps = next(iter(curves.values()))[0]
        return steps[1] - steps[0] if len(steps) > 1 else steps[0]

    figures = []
    wanted = (('loss_seg', 'Segmentation loss on the source', 'cross entropy', 0.8, None),
              ('loss_adv', 'Adversarial loss on the target', 'cross entropy', 0.8, (math.log(2), 'chance')),
              ('dis_acc_target', "The discriminator's accuracy on the target", 'share right', 0.8, (0.5, 'chance')))
    for key, name, ylabel, weight, reference in wanted:
        curves = {n: s[key] for n, s in scalars.items() if key in s}
        if curves:
            figures.append(chart(name, curves, ylabel, weight, reference))
    validated = {n: s['mIoU'] for n, s in scalars.items() if len(s.get('mIoU', ([], []))[0]) > 1}
    if validated:
        figures.append(chart('Target mIoU while training', validated, 'mIoU (%)', 0.0))
    return figures


def switches(rows: Sequence[Row]) -> tuple[str, ...]:
    """What the switches of every network chose in adversarial training, first seed: a picture, and its numbers."""
    parts = []
    for row in rows:
        layers = by_layer({f'ratios/{name}': value for name, value in row.ratios.items()})
        if row.treatment == ADVERSARIAL and row.seed == rows[0].seed and layers:
            name = row.network.upper()
            words = f'Shares of the statistics at each site of {name}; the table beside it has the numbers'
            picture = page.figure(partial(plot_network, layers, name), words)
            parts.append(page.side_by_side([picture, to_html(ratio_table(
                layers, 'Weights of the statistics in each switch; all started equal.'))]))
    return tuple(parts)


@dataclass(frozen=True)
class Results:
    """All that the report shows. `pictures`: one dict an image, 'image' and 'truth', then label maps by network."""

    rows: Sequence[Row]
    pictures: Sequence[dict]
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    curve_folders: dict[str, Path]  # network -> work directory of its adversarial training
    commands: Sequence[str]
    iterations: int
    variant: str
    test_images: int


def sections(results: Results, table: Table, charts: list) -> list[Section]:
    """The report from top to bottom."""
    rows, classes, palette = results.rows, results.classes, results.palette
    shown = {label(r): r.target for r in shown_networks(rows)}
    bars = page.figure(lambda theme: plot_class_bars(classes, shown, theme=theme, colours=colours(rows, theme)),
                       'IoU of every class; the table beside it has the numbers')
    by_class = to_html(per_class_table(classes, shown, 'IoU in percent on target images.'))
    curves = [page.figure(draw, alt, caption) for alt, caption, draw in charts]
    chosen = switches(rows)
    return [
        Section('Result', (to_html(table), *map(page.paragraph, sentences(rows, results.iterations)))),
        Section('Target images that no training saw',
                (page.class_legend(classes, palette),
                 *(page.tiles(p, palette, f'target image {i + 1}') for i, p in enumerate(results.pictures)))),
        Section('Classes', (page.side_by_side([bars, by_class]),)),
        Section('Adversarial training',
                (page.side_by_side(curves), page.paragraph(f'Seed {rows[0].seed}.', 'muted'))),
        *([Section('What the switches chose', chosen)] if chosen else []),
        Section('How to repeat it', (page.commands(results.commands), page.facts(environment())))]


def write_results(folder: Path, results: Results) -> Table:
    """results.json, table.md, predictions.png, curve_N.png and report.html in `folder`; returns the table."""
    rows = results.rows
    table = result_table(rows, results.test_images)
    write_json(folder / 'results.json', {
        'rows': [{**vars(r), 'target': none_for_nan(r.target), 'source': none_for_nan(r.source),
                  'target_mIoU': miou(r.target), 'source_mIoU': miou(r.source)} for r in rows],
        'classes': list(results.classes), 'iterations': results.iterations, 'variant': results.variant,
        'environment': environment()})
    (folder / 'table.md').write_text(to_markdown(table))
    sheet = contact_sheet(results.pictures[:4], results.classes, results.palette)
    (folder / 'predictions.png').write_bytes(image_bytes(sheet))
    charts = curve_figures(rows, results.curve_folders)
    for index, (_, _, draw) in enumerate(charts, 1):
        (folder / f'curve_{index}.png').write_bytes(figure_png(draw, LIGHT))
    change = ' in changing weather and light' if results.variant == 'varied' else ', all alike'
    lead = ['One narrow DeepLab-v2 with different norms at five places learns to segment drawn street scenes that look '
            f'like a game, and is tested on scenes as cameras would show them{change}.']
    write_report(folder / 'report.html', TITLE, lead, sections(results, table, charts))
    return table
