"""The main job in minutes, without a GPU: networks that fail on a new domain, and what adapts them. `make demo`.

Generates streets, then for each norm: trains a small network, which starts from ImageNet where its weights are
installed, on the source alone; learns that network's switches again, where it has any, on source images in other light;
gives it the target's running statistics, without training; and goes on from it, once adversarially and once by
self-training. Prints one table and writes report.html, results.json, table.md and predictions.png. Stop it at will: the
next call goes on. Numbers are those of the last iteration, and no target label chooses anything.
"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from pathlib import Path

from sw_mmseg.datasets.streets import VARIANTS
from sw_mmseg.engine.progress import duration
from sw_mmseg.processes import end_with_launcher
from sw_mmseg.running import training
from sw_mmseg.running.command_line import seed_number, size_word
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.tables import show
from sw_mmseg.studies.demo import side_by_side
from sw_mmseg.studies.demo.photographs import looked_at, photograph_sheets
from sw_mmseg.studies.demo.quick import quick, quick_photographs
from sw_mmseg.studies.demo.report import write_results
from sw_mmseg.studies.demo.study import Demo
from sw_mmseg.whitening import NORMS


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--data', type=Path, default=Path('data/streets'), help='where streets are, or will be')
    parser.add_argument('--variant', choices=tuple(VARIANTS), default='varied', help='how target images differ')
    parser.add_argument(
        '--size', type=size_word, default=(256, 128), metavar='WxH', help='of the images (default: 256x128)'
    )
    parser.add_argument('--images', type=int, default=800, help='training images of each domain')
    parser.add_argument('--test-images', type=int, default=100, help='images to test on, of each domain')
    parser.add_argument('--iterations', type=int, help='of each training (default: 300 and 120 more)')
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0], help='several give mean and deviation')
    parser.add_argument('--rows', nargs='+', choices=tuple(NORMS), default=['bn', 'sw'], help='norms to compare')
    parser.add_argument(
        '--all', action='store_true', help='adversarial training with every norm, not with the first of --rows alone'
    )
    parser.add_argument('--jobs', type=int, metavar='N', help='networks to train at once (default: one a core)')
    parser.add_argument('--only', choices=tuple(NORMS), help=argparse.SUPPRESS)  # rows of one network, no report
    parser.add_argument(
        '--photos', type=Path, metavar='FOLDER', help='photographs of yours: a second target, shown before and after'
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='train nothing: score the weights that come with the package, in two minutes',
    )
    parser.add_argument('--pictures', type=int, default=6, help='test images to show')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Generate, train, test, report."""
    for name in ('images', 'test_images', 'iterations', 'pictures', 'jobs'):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError(f'--{name.replace("_", "-")} {value}: must be at least 1')
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    gc.freeze()  # data sets collect garbage when built: what was imported need not be searched each time
    begin = time.monotonic()
    photographs = looked_at(args.photos) if args.photos else None
    if args.quick:
        show(quick(args.work_dir, args.variant, args.size, args.pictures))
        files = [args.work_dir / 'quick.png']
        if photographs is not None:
            files.append(quick_photographs(args.work_dir, photographs, args.pictures))
        print(f'Took {duration(time.monotonic() - begin)}. Open {" and ".join(map(str, files))}')
        return 0
    demo = Demo(args)
    try:
        if args.only:
            end_with_launcher()
            for seed in args.seeds:
                demo.rows(args.only, seed)
            return 0
        jobs = side_by_side.at_once(args)
        if jobs > 1 and (status := side_by_side.measure_each(args, jobs)):
            return status
        demo.quiet = jobs > 1
        rows = [pair for seed in args.seeds for network in args.rows for pair in demo.rows(network, seed)]
        sheets = photograph_sheets(demo, photographs) if photographs is not None else []
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    table = write_results(args.work_dir, demo.results(rows, sheets))
    show(table)
    print(f'Took {duration(time.monotonic() - begin)}. Open {args.work_dir}/report.html')
    return 0
