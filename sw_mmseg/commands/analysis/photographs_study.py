"""What adaptation gains on photographs, measured: `tools/analysis/photographs_study.py`.

Trains the small network on drawn streets (or on CamVid by day), adapts it to photographs of CamVid (at dusk) without
their labels, and scores it on both the validation part, by which settings are chosen, and the test part. Rows are
methods, three seeds each; a training takes one core 5 to 30 minutes. data/README.md says where CamVid comes from, and
the head of configs/_base_/datasets/streets2camvid_sourceonly.py how the streets are made. Stop it at will: the same
command goes on. `--docs` keeps the records in docs/results/camvid.jsonl and fills docs/photographs.md.
"""

from __future__ import annotations

import argparse
import signal
import time
import warnings
from functools import partial
from pathlib import Path

from sw_mmseg.engine.progress import duration
from sw_mmseg.files import whole_file
from sw_mmseg.running import records, training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import DOCS
from sw_mmseg.studies.documents import fill
from sw_mmseg.studies.measured_results import measured_results
from sw_mmseg.studies.photographs import report, runs
from sw_mmseg.studies.photographs.cells import DATA, Cell, configured
from sw_mmseg.studies.photographs.pictures import score_plot, source_sheet
from sw_mmseg.studies.photographs.settings import SETTINGS
from sw_mmseg.whitening import NORMS

PAGE, KEPT = DOCS / 'photographs.md', DOCS / 'results/camvid.jsonl'
PICTURE = DOCS / 'images/photographs_sources.jpg'
PLOT = DOCS / 'images/photographs_scores.png'
METHODS = ('jitter', 'adaptsegnet', 'cbst', 'oracle')


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=list(METHODS), help='second words of the configs')
    parser.add_argument('--norms', nargs='+', choices=tuple(NORMS), default=['bn'], help='at the sites')
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2])
    parser.add_argument('--data', choices=DATA, default=DATA[0], help='last words of the configs')
    parser.add_argument(
        '--settings',
        nargs='+',
        choices=('none', *SETTINGS),
        default=['none'],
        help="in place of the configs' own; see sw_mmseg/studies/photographs/settings.py",
    )
    parser.add_argument('--iterations', type=int, help="of each training (default: the configs')")
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/photographs'))
    parser.add_argument('--report-only', action='store_true', help='train nothing')
    parser.add_argument('--docs', action='store_true', help=f'keep the records, fill docs/{PAGE.name}')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def plan(args: argparse.Namespace) -> list[Cell]:
    """All cells, seed by seed, so that a study that is stopped has every row."""
    if args.iterations is not None and args.iterations < 1:
        raise UserError('--iterations must be at least 1')
    cells = [
        Cell(method, norm, seed, args.data, setting.replace('none', ''), args.iterations)
        for seed in args.seeds
        for setting in args.settings
        for method in args.methods
        for norm in args.norms
    ]
    for cell in cells:
        configured(cell, args.work_dir)  # what cannot be trained ends it here
    return cells


def train(cells: list[Cell], work_dir: Path) -> None:
    """Trains what has no result yet."""
    missing = [cell for cell in cells if runs.known_result(cell, work_dir) is None]
    print(f'{len(cells) - len(missing)} of {len(cells)} trainings done before', flush=True)
    for count, cell in enumerate(missing, 1):
        result = runs.measure(cell, work_dir)
        scores = ', '.join(f'{part} {result.miou(part):.1f}' for part in result.scores)
        print(f'[{count}/{len(missing)}] {cell.name}: mIoU {scores}; {duration(result.seconds)}', flush=True)


def main(args: argparse.Namespace) -> int:
    """Train, score, write."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    begin, cells = time.monotonic(), plan(args)
    records.take_results(KEPT, args.work_dir)
    missing = None if args.report_only else partial(train, cells, args.work_dir)
    names = [cell.name for cell in cells]
    try:
        results = measured_results(missing, names, partial(runs.stored, args.work_dir), args.work_dir)
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    if args.docs:
        records.keep_results(args.work_dir, KEPT)
        fill(PAGE, 'study', report.section(results))
        with whole_file(PICTURE) as part:
            source_sheet().savefig(part, format='jpg', dpi=120, pil_kwargs={'quality': 88})
        with whole_file(PLOT) as part:
            score_plot(results).savefig(part, format='png', dpi=120)
    print(f'\n{report.section(results)}\nTook {duration(time.monotonic() - begin)}.')
    return 0
