"""The sections of the report of an adaptation, from top to bottom."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from sw_mmseg.analysis import (
    Section,
    Table,
    by_layer,
    environment,
    overlay,
    page,
    per_class_table,
    plot_class_bars,
    plot_curves,
    plot_network,
    ratio_table,
    read_scalars,
    to_html,
)
from sw_mmseg.analysis.style import Theme
from sw_mmseg.own_images.folders import labelled_pictures, picture, spread
from sw_mmseg.own_images.report_content import Report

__all__ = [
    'class_section',
    'curve_figures',
    'data_section',
    'prediction_section',
    'sections',
    'share_table',
    'small',
    'switches',
    'warnings_of',
]


WIDTH = 480  # of a picture in the report, at most


CURVES = 6  # charts, at most


SAME = {'decode.loss_ce': 'loss_seg'}  # mmseg's own name for it


NAMES = {
    'loss_seg': 'Segmentation loss on the source',
    'loss_adv': 'Adversarial loss on the target',
    'loss_dis': "The discriminator's loss",
    'loss_ent': 'Entropy of predictions on the target',
    'loss_mix': 'Loss on mixed images',
    'loss_target': 'Loss on target images, with the labels of the round',
    'loss_mask': 'Loss on masked images',
    'dis_acc_source': "The discriminator's accuracy on the source",
    'dis_acc_target': "The discriminator's accuracy on the target",
    'pseudo_share': 'Share of sure pseudo-labels',
}


ITERATION = re.compile(r'Iter\(train\) \[ *(\d+)/')


HEALTH = ('discriminator', 'predictions on the target', 'pseudo', 'round')  # words of the warnings that matter


UNSCORED = (
    'No labels of the target were given, so nothing says in numbers how well it works there: look at the '
    'pictures. A few dozen labelled target images as --target-val would give scores.'
)


VALIDATED = (
    'Target scores are on the images of --target-val, as validation only: they chose nothing, neither a '
    'method nor a checkpoint; the networks are those of the last iteration.'
)


def share_table(report: Report) -> Table:
    """How the predicted classes share the target's pixels."""
    names = report.data.table.names
    rows = [(name, *(o.shares[i] for o in report.outcomes)) for i, name in enumerate(names)]
    return Table(
        ('class', *(o.name for o in report.outcomes)),
        tuple(rows),
        'Percent of the pixels of target images that each network gives to a class. Classes that vanish, or '
        'take over, are a sign that a network does not work there.',
    )


def curve_figures(trainings: dict[str, Path]) -> list[str]:
    """A chart for every loss that was logged, and for some signs of health; a line a training."""
    scalars = {}
    for name, folder in trainings.items():
        scalars[name] = {SAME.get(key, key): curve for key, curve in read_scalars(folder).items()}
    keys = dict.fromkeys(
        key
        for curves in scalars.values()
        for key in curves
        if ('loss' in key and key != 'loss') or key.startswith(('dis_acc', 'pseudo_share'))
    )
    figures = []
    for key in list(keys)[:CURVES]:
        curves = {name: logged[key] for name, logged in scalars.items() if key in logged}
        heading = NAMES.get(key, key)

        def draw(theme: Theme, curves=curves, key=key, heading=heading):
            return plot_curves(curves, key, heading, theme, weight=0.8)

        ends = ', '.join(f'{name} ends at {values[-1]:.3f}' for name, (_, values) in curves.items())
        figures.append(page.figure(draw, f'{heading} while training: {ends}', 'smoothed'))
    return figures


def warnings_of(folder: Path) -> list[str]:
    """What the hooks that watch a training's health warned of last, and when, from its log."""
    warned, reached = [], '0'
    for log in sorted(folder.glob('*/*.log')):
        for line in log.read_text(errors='replace').splitlines():
            step = ITERATION.search(line)
            reached = step[1] if step else reached
            text = line.partition(' - WARNING - ')[2]
            if any(word in text for word in HEALTH):
                warned.append(f'shortly after iteration {reached}: {text}')
    return warned[-1:]


def small(image: np.ndarray) -> np.ndarray:
    """At most `WIDTH` pixels wide, every n-th pixel taken, so that label maps keep their ids."""
    step = -(-image.shape[1] // WIDTH)
    return np.ascontiguousarray(image[::step, ::step])


def prediction_section(report: Report) -> Section:
    """Target images with what each network sees in them."""
    names, palette = report.data.table.names, report.data.table.palette
    parts = [page.class_legend(names, palette)]
    for index, shown in enumerate(report.pictures):
        row = shown | {outcome.name: outcome.maps[index] for outcome in report.outcomes}
        parts.append(page.tiles({title: small(p) for title, p in row.items()}, palette, f'target image {index + 1}'))
    return Section('Target images and what the networks see', tuple(parts))


def data_section(report: Report) -> Section:
    """The checks: counts, class shares, source images under their labels, target images."""
    data, palette = report.data, report.data.table.palette
    notes = [page.paragraph(f'{folder.role}: {note}.', 'muted') for folder in data.folders for note in folder.notes]
    absent = data.absent()
    if absent:
        notes.append(
            page.paragraph(
                f'No source label that was read shows {", ".join(absent)}: a network cannot learn '
                'what it is never shown.'
            )
        )
    labelled = labelled_pictures(data.source, data.table) if data.source else []
    sources = {f'source {i}': small(overlay(image, labels, palette)) for i, (image, labels) in enumerate(labelled, 1)}
    shown = enumerate(spread(data.target.paths, 4), 1)
    targets = {f'target {i}': small(picture(path, data.target)) for i, path in shown}
    return Section(
        'Your data',
        (
            to_html(data.overview()),
            to_html(data.class_table()),
            *notes,
            *([page.tiles(sources, palette, 'source image under its labels')] if sources else []),
            page.tiles(targets, palette, 'target image'),
        ),
    )


def class_section(report: Report) -> Section | None:
    """IoU of every class on the target, where it was scored."""
    scores = {o.name: o.target for o in report.outcomes if o.target}
    if not scores:
        return None
    names = report.data.table.names
    bars = page.figure(
        lambda theme: plot_class_bars(names, scores, theme=theme),
        'IoU of every class; the table beside it has the numbers',
    )
    table = to_html(per_class_table(names, scores, 'IoU in percent on the images of --target-val.'))
    return Section('Classes', (page.side_by_side([bars, table]),))


def switches(report: Report) -> tuple[str, ...]:
    """What the switches of the network that is kept chose: a picture and its numbers; empty without switches."""
    final = next(o for o in report.outcomes if o.name == report.final)
    layers = by_layer({f'ratios/{name}': value for name, value in final.ratios.items()})
    if not layers:
        return ()
    picture = page.figure(
        partial(plot_network, layers, final.name),
        'Shares of the statistics at each site; the table beside it has the numbers',
    )
    table = to_html(ratio_table(layers, 'Weights of the statistics in each switch; all started equal.'))
    return (page.side_by_side([picture, table]),)


def sections(report: Report, table: Table) -> list[Section]:
    """The page from top to bottom."""
    chosen = switches(report)
    plan = Table(('choice', 'value', 'why'), tuple(report.reasons))
    classes = class_section(report)
    return [
        Section(
            'Result',
            (
                to_html(table),
                *map(page.paragraph, report.notes),
                page.paragraph(VALIDATED if report.data.target_val else UNSCORED),
            ),
        ),
        prediction_section(report),
        *([classes] if classes else []),
        Section('Predicted classes', (to_html(share_table(report)),)),
        data_section(report),
        Section('What was chosen', (to_html(plan),)),
        Section(
            'Training',
            (
                *(
                    page.paragraph(f'{name}: {text}')
                    for name, folder in report.trainings.items()
                    for text in warnings_of(folder)
                ),
                page.side_by_side(curve_figures(report.trainings)),
            ),
        ),
        *([Section('What the switches chose', chosen)] if chosen else []),
        Section('How to repeat it', (page.commands(report.commands), page.facts(environment()))),
    ]
