"""One HTML file about finished runs: `tools/report.py RUN...`, a RUN a work directory or a checkpoint of any task.

Scores, curves of losses and scores, importance ratios, predictions side by side, IoU of every class, environment,
command and config. It opens offline, on a phone and in the dark, and stays below 10 MB. IoU of classes is what
tools/test.py left beside the checkpoint; `--test` measures it where that is missing. `--domain-distance` adds the
distance between source and target features by layer (see domain_distance.py), which takes forward passes.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from sw_mmseg.analysis import Section, page, write_report
from sw_mmseg.reporting import sections as parts
from sw_mmseg.reporting.domains import Sampling, compared
from sw_mmseg.reporting.pictures import detected, detects, groups, segmented, segments, stylised, stylises
from sw_mmseg.reporting.runs import Run, network, open_runs
from sw_mmseg.running.errors import UserError, is_user_error


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='RUN', help='a work directory, or a checkpoint')
    parser.add_argument('--labels', nargs='+', help="a name a run (default: the folders')")
    parser.add_argument('--out', type=Path, help='the file (default: report.html in the run, for several in work_dirs)')
    parser.add_argument('--title', help='of the page')
    parser.add_argument('--pictures', type=int, default=3, help='test pictures with predictions (default: 3; 0: none)')
    parser.add_argument('--test', action='store_true', help='measure IoU of every class where it is not there')
    parser.add_argument('--domain-distance', action='store_true', help='measure and show it')
    parser.add_argument('--images', type=int, default=50, help='of each domain, for the distance (default: 50)')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def predictions(runs: list[Run], count: int) -> list[Section]:
    """Test pictures with what the networks say of them; a sentence where they cannot be shown."""
    kinds = (('Predictions', segments, segmentation_tiles), ('Detections', detects, detection_tiles),
             ('In the style', stylises, style_tiles))
    found = []
    for heading, wanted, tiles in kinds if count else ():
        for own in groups(runs, wanted):
            try:
                fragments = tiles(own, count)
            except Exception as error:
                if not is_user_error(error):
                    raise
                fragments = (page.paragraph(f'Not shown: {error}'),)
            found.append(Section(heading, fragments))
    return found


def segmentation_tiles(runs: list[Run], count: int) -> tuple[str, ...]:
    """A legend, and a row a picture."""
    rows, meta = segmented(runs, count)
    return (page.class_legend(meta['classes'], meta['palette']),
            *(page.tiles(row, meta['palette'], f'test picture {number}') for number, row in enumerate(rows, 1)))


def detection_tiles(runs: list[Run], count: int) -> tuple[str, ...]:
    """A row a picture."""
    return tuple(page.tiles(row, (), f'test picture {number}') for number, row in enumerate(detected(runs, count), 1))


def style_tiles(runs: list[Run], count: int) -> tuple[str, ...]:
    """A row a content."""
    return tuple(page.tiles(row, (), f'content {number}') for number, row in enumerate(stylised(runs, count), 1))


def class_iou(runs: list[Run], measure: bool) -> dict[str, dict[str, float]]:
    """Run -> class -> IoU in percent, where it is known or may be measured."""
    found = {}
    for run in runs:
        values = parts.stored_classes(run)
        if values is None and measure and segments(run.config) and run.checkpoint:
            from sw_mmseg.running.data_sets import build_loader
            from sw_mmseg.studies.scenes.runs import score
            values = score(network(run), build_loader(run.config.test_dataloader.dataset, 1))[1]
        if values:
            found[run.label] = values
    return found


def domain_section(runs: list[Run], images: int) -> list[Section]:
    """Of the runs with checkpoints; raises UserError where their convolutions differ."""
    own = [run for run in runs if run.checkpoint is not None]
    if not own:
        raise UserError('--domain-distance needs a run with a checkpoint')
    return [parts.domains(compared(own, Sampling(images=images)))]


def sections(runs: list[Run], args: argparse.Namespace) -> list[Section]:
    """The report from top to bottom."""
    command = shlex.join(['python', 'tools/report.py', *args.words])
    found = [parts.overview(runs), *predictions(runs, args.pictures), parts.classes(class_iou(runs, args.test)),
             parts.curves(runs), parts.importance(runs)]
    if args.domain_distance:
        found += domain_section(runs, args.images)
    return [section for section in [*found, parts.repeat(runs, command)] if section]


def main(args: argparse.Namespace) -> int:
    """Parse, read, write."""
    if args.pictures < 0 or args.images < 2:
        raise UserError('--pictures must be at least 0 and --images at least 2')
    runs = open_runs(args.runs, args.labels)
    args.words = [*args.runs, *(['--labels', *args.labels] if args.labels else []),
                  *(['--test'] if args.test else []), *(['--domain-distance'] if args.domain_distance else [])]
    out = args.out or (runs[0].folder / 'report.html' if len(runs) == 1 else Path('work_dirs/report.html'))
    title = args.title or ('Report on ' + (runs[0].label if len(runs) == 1 else f'{len(runs)} runs'))
    try:
        size = write_report(out, title, [], sections(runs, args))
    except ValueError as error:
        raise UserError(f'{error} (--pictures {max(0, args.pictures - 1)}, or fewer runs)') from error
    print(f'Written: {out}, {size / 1e6:.1f} MB')
    return 0
