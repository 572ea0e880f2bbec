"""The demo's results as table, pictures and the one-file report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sw_mmseg.analysis import (
    Section,
    Table,
    contact_sheet,
    environment,
    image_bytes,
    page,
    per_class_table,
    plot_class_bars,
    to_html,
    to_markdown,
    write_report,
)
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.running.command_line import commands_of_here
from sw_mmseg.running.records import none_for_nan, write_json
from sw_mmseg.running.scoring import miou
from sw_mmseg.studies.demo.charts import colours, curve_figures, label, shown_networks, switches
from sw_mmseg.studies.demo.ready import READY
from sw_mmseg.studies.demo.rows import Row
from sw_mmseg.studies.demo.sentences import result_table, sentences

__all__ = ['Results', 'sections', 'write_results']

TITLE = 'From a drawn game to drawn cameras: what adapts the network'


@dataclass(frozen=True)
class Results:
    """All that the report shows. `pictures`: one dict an image, 'image' and 'truth', then label maps by network."""

    rows: Sequence[Row]
    pictures: Sequence[dict]
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    curve_folders: dict[str, Path]  # network -> work directory of its adversarial training
    commands: Sequence[str]
    iterations: int  # on the source
    adapted_iterations: int
    variant: str
    test_images: int
    photographs: Sequence[dict] = ()  # of the user: 'photograph', then label maps by network


def sections(results: Results, table: Table, charts: list) -> list[Section]:
    """The report from top to bottom."""
    rows, classes, palette = results.rows, results.classes, results.palette
    networks = {label(r): r.target for r in shown_networks(rows)}
    bars = page.figure(
        lambda theme: plot_class_bars(classes, networks, theme=theme, colours=colours(rows, theme)),
        'IoU of every class; the table beside it has the numbers',
    )
    by_class = to_html(per_class_table(classes, networks, 'IoU in percent on target images.'))
    curves = [page.figure(draw, alt, caption) for alt, caption, draw in charts]
    chosen = switches(rows)
    words = sentences(rows, results.iterations, results.adapted_iterations)
    return [
        Section('Result', (to_html(table), *map(page.paragraph, words))),
        Section(
            'Target images that no training saw',
            (
                page.class_legend(classes, palette),
                *(page.tiles(p, palette, f'target image {i + 1}') for i, p in enumerate(results.pictures)),
            ),
        ),
        *photograph_section(results),
        Section('Classes', (page.side_by_side([bars, by_class]),)),
        Section('Adversarial training', (page.side_by_side(curves), page.paragraph(f'Seed {rows[0].seed}.', 'muted'))),
        *([Section('What the switches chose', chosen)] if chosen else []),
        Section(
            'How to repeat it',
            (page.commands([commands_of_here(text) for text in results.commands]), page.facts(environment())),
        ),
    ]


def photograph_section(results: Results) -> list[Section]:
    """The user's photographs before and after, if there are any."""
    if not results.photographs:
        return []
    text = 'Nobody labelled these photographs, so there is no score: judge for yourself.'
    if any(title.startswith(READY.format('')) for title in results.photographs[0]):
        text += ' The last network of each row was trained on drawn streets of many towns, and has not seen them.'
    words = page.paragraph(text, 'muted')
    tiles = [page.tiles(p, results.palette, f'photograph {i + 1}') for i, p in enumerate(results.photographs)]
    return [Section('Your photographs', (words, *tiles))]


def write_results(folder: Path, results: Results) -> Table:
    """results.json, table.md, predictions.png, photographs.png, curve_N.png and report.html in `folder`; returns the
    table."""
    rows = results.rows
    table = result_table(rows, results.test_images)
    write_json(
        folder / 'results.json',
        {
            'rows': [
                {
                    **vars(r),
                    'target': none_for_nan(r.target),
                    'source': none_for_nan(r.source),
                    'categories': none_for_nan(r.categories),
                    'target_mIoU': miou(r.target),
                    'source_mIoU': miou(r.source),
                }
                for r in rows
            ],
            'classes': list(results.classes),
            'iterations': results.iterations,
            'adapted_iterations': results.adapted_iterations,
            'variant': results.variant,
            'environment': environment(),
        },
    )
    (folder / 'table.md').write_text(to_markdown(table))
    sheet = contact_sheet(results.pictures[:4], results.classes, results.palette)
    (folder / 'predictions.png').write_bytes(image_bytes(sheet))
    if results.photographs:
        sheet = contact_sheet(results.photographs, results.classes, results.palette)
        (folder / 'photographs.png').write_bytes(image_bytes(sheet))
    charts = curve_figures(rows, results.curve_folders)
    for index, (_, _, draw) in enumerate(charts, 1):
        (folder / f'curve_{index}.png').write_bytes(figure_png(draw, LIGHT))
    change = ' in changing weather and light' if results.variant == 'varied' else ', all alike'
    lead = [
        'A small network with ImageNet weights, and with different norms in its first layers, learns to segment drawn '
        f'street scenes that look like a game, and is tested on scenes as cameras would show them{change}.'
    ]
    write_report(folder / 'report.html', TITLE, lead, sections(results, table, charts))
    return table
