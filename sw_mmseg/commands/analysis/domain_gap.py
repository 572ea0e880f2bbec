"""What a network trips over between the two domains of streets, one part of the step at a time:

    tools/analysis/domain_gap.py RUN... [--labels BN_seed0 BN_seed1 ...] [--back]

Draws source pictures of which one part (the streets, materials, sun, haze and rain, exposure, colour cast, lens) is the
target's, and tests trained networks on each; with `--back`, target pictures of which one part is the source's. Streets,
objects and random numbers are those of the unchanged pictures wherever that part does not move them. A RUN is a work
directory or a checkpoint; labels that differ only in `_seedN` are one network, given as mean ± deviation. Writes tables
(Markdown, CSV), a plot and a sheet of pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.datasets.labels import CLASSES
from sw_mmseg.datasets.streets import VARIANTS
from sw_mmseg.reporting.runs import Run, open_runs
from sw_mmseg.running.command_line import size_word
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import DOCS
from sw_mmseg.running.prediction import meta_of
from sw_mmseg.studies.adaptation.gap import draw_all, measure, write
from sw_mmseg.studies.documents import fill_with_pictures


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='RUN', help='work directories or checkpoints')
    parser.add_argument('--labels', nargs='+', help='a name a run (default: those of their folders)')
    parser.add_argument('--back', action='store_true', help='give the target one part of the source, not the reverse')
    parser.add_argument(
        '--own-statistics',
        action='store_true',
        help='test also with running statistics of the very pictures, where a network keeps any',
    )
    parser.add_argument(
        '--variant',
        choices=[name for name, domains in VARIANTS.items() if len(domains) == 2],
        default='varied',
        help='of the target',
    )
    parser.add_argument('--images', type=int, default=100, help='of each kind (default: 100)')
    parser.add_argument(
        '--size', type=size_word, default=(256, 128), metavar='WxH', help='of the pictures (default: 256x128)'
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/domain_gap'))
    parser.add_argument('--docs', action='store_true', help='fill docs/adaptation.md')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def classes_of(run: Run) -> tuple[str, ...]:
    """What a network was trained to tell apart; nothing where its config has no test."""
    dataset = run.config.get('test_dataloader', {}).get('dataset')
    return tuple(build('data set', lambda: meta_of(dataset))['classes']) if dataset else ()


def main(args: argparse.Namespace) -> int:
    """Draw, test, write."""
    runs = open_runs(args.runs, args.labels)
    if missing := [run.label for run in runs if run.checkpoint is None]:
        raise UserError(f'{missing[0]} has no checkpoint: train first')
    if other := [run.label for run in runs if run.config.get('default_scope') != 'mmseg']:
        raise UserError(f'{other[0]} is no segmentation network: these pictures have labels for nothing else')
    if other := [run.label for run in runs if classes_of(run) != CLASSES]:
        raise UserError(
            f'{other[0]} has not the {len(CLASSES)} classes of Cityscapes, with which these pictures are labelled'
        )
    folders = draw_all(args)
    page = write(measure(runs, folders, args), folders, args)
    if args.docs:
        mark = 'gap, back' if args.back else 'gap'
        fill_with_pictures(DOCS / 'adaptation.md', DOCS / 'images', mark, page, args.out, 'adaptation_')
    print(f'\n{page}\n\nWritten to {args.out}')
    return 0
