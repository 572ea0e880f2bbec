"""The sections of a report, from top to bottom."""

from __future__ import annotations

import argparse

from sw_mmseg.analysis import Section, page
from sw_mmseg.reporting import sections as parts
from sw_mmseg.reporting.domains import Sampling, compared
from sw_mmseg.reporting.pictures import detected, detects, groups, segmented, segments, stylised, stylises
from sw_mmseg.reporting.runs import Run, network
from sw_mmseg.reporting.switch_section import importance
from sw_mmseg.running.command_line import command_text
from sw_mmseg.running.errors import UserError, is_user_error

__all__ = ['sections']


def predictions(runs: list[Run], count: int) -> list[Section]:
    """Test pictures with what the networks say of them; a sentence where they cannot be shown."""
    kinds = (
        ('Predictions', segments, segmentation_tiles),
        ('Detections', detects, detection_tiles),
        ('In the style', stylises, style_tiles),
    )
    blocks = []
    for heading, kind, tiles in kinds if count else ():
        for group in groups(runs, kind):
            try:
                fragments = tiles(group, count)
            except Exception as error:
                if not is_user_error(error):
                    raise
                fragments = (page.paragraph(f'Not shown: {error}'),)
            blocks.append(Section(heading, fragments))
    return blocks


def segmentation_tiles(runs: list[Run], count: int) -> tuple[str, ...]:
    """A legend, and a row a picture."""
    rows, meta = segmented(runs, count)
    return (
        page.class_legend(meta['classes'], meta['palette']),
        *(page.tiles(row, meta['palette'], f'test picture {number}') for number, row in enumerate(rows, 1)),
    )


def detection_tiles(runs: list[Run], count: int) -> tuple[str, ...]:
    """A row a picture."""
    return tuple(page.tiles(row, (), f'test picture {number}') for number, row in enumerate(detected(runs, count), 1))


def style_tiles(runs: list[Run], count: int) -> tuple[str, ...]:
    """A row a content."""
    return tuple(page.tiles(row, (), f'content {number}') for number, row in enumerate(stylised(runs, count), 1))


def class_iou(runs: list[Run], measure: bool) -> dict[str, dict[str, float]]:
    """Run -> class -> IoU in percent, where it is known or may be measured."""
    scores = {}
    for run in runs:
        values = parts.stored_classes(run)
        if values is None and measure and segments(run.config) and run.checkpoint:
            from sw_mmseg.running.data_sets import build_loader
            from sw_mmseg.running.scoring import score

            values = score(network(run), build_loader(run.config.test_dataloader.dataset, 1))[1]
        if values:
            scores[run.label] = values
    return scores


def domain_section(runs: list[Run], images: int) -> list[Section]:
    """Of the runs with checkpoints; raises UserError where their convolutions differ."""
    candidates = [run for run in runs if run.checkpoint is not None]
    if not candidates:
        raise UserError('--domain-distance needs a run with a checkpoint')
    return [parts.domains(compared(candidates, Sampling(images=images)))]


def sections(runs: list[Run], args: argparse.Namespace) -> list[Section]:
    """The report from top to bottom."""
    command = command_text('report', *args.words)
    blocks = [
        parts.overview(runs),
        *predictions(runs, args.pictures),
        parts.classes(class_iou(runs, args.test)),
        parts.curves(runs),
        importance(runs),
    ]
    if args.domain_distance:
        blocks += domain_section(runs, args.images)
    return [section for section in [*blocks, parts.repeat(runs, command)] if section]
