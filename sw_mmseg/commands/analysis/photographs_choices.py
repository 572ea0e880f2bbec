"""What docs/choose.md advises, measured on photographs: `tools/analysis/photographs_choices.py PART ...`.

few-labels: 0, 5, 20 and 100 labelled photographs beside drawn streets, as `adapt --target-few` draws them.
blend: running statistics blended with each photograph's, as `--blend` does; nothing is trained.
source-free: what `adapt --from` does with a trained network and unlabelled photographs.
switches: one network with SW, its switches as trained against learnt again, by another look and in another place.

Each begins with trainings of tools/analysis/photographs_study.py, and takes those that its work directory has. Stop it
at will: the same command goes on. `--docs` keeps the records in docs/results/photographs_choices.jsonl and fills
docs/choose.md.
"""

from __future__ import annotations

import argparse
import signal
import time
import warnings
from functools import partial
from pathlib import Path

from sw_mmseg.engine.progress import duration
from sw_mmseg.running import records, training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import DOCS
from sw_mmseg.studies.documents import fill
from sw_mmseg.studies.measured_results import measured_results
from sw_mmseg.studies.photographs import choices, choices_report
from sw_mmseg.studies.photographs.cells import DATA
from sw_mmseg.studies.photographs.few_labels import METHODS
from sw_mmseg.studies.photographs.trials import FOLDER, Extent, Trial, stored

PAGE, KEPT = DOCS / 'choose.md', DOCS / 'results/photographs_choices.jsonl'
TRAININGS = DOCS / 'results/camvid.jsonl'  # of the main study


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'of {", ".join(choices.PARTS)} (default: all)')
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iterations', type=int, default=300, help='of each training (default: 300)')
    parser.add_argument('--data', nargs='+', choices=DATA, default=list(DATA), help='last words of the configs')
    parser.add_argument('--labels', type=int, nargs='+', default=[0, 5, 20, 100], help='of few-labels: how many')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS), help='of few-labels')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/photographs'), help='that of the main study')
    parser.add_argument('--report-only', action='store_true', help='measure nothing')
    parser.add_argument('--docs', action='store_true', help=f'keep the records, fill docs/{PAGE.name}')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def planned(args: argparse.Namespace) -> list[Trial]:
    """All trials. Raises UserError where a number or a part does not fit."""
    unknown = [part for part in args.parts if part not in choices.PARTS]
    if unknown:
        raise UserError(f'no part {unknown[0]!r}: one of {", ".join(choices.PARTS)}')
    if args.iterations < 1 or min(args.labels) < 0:
        raise UserError('--iterations must be at least 1, and --labels at least 0')
    extent = Extent(tuple(args.seeds), args.iterations, tuple(args.data), tuple(args.labels), tuple(args.methods))
    return choices.plan(args.parts or list(choices.PARTS), extent)


def measure(trials: list[Trial], work_dir: Path) -> None:
    """Measures what has no result yet."""
    missing = [trial for trial in trials if not choices.known(trial, work_dir)]
    print(f'{len(trials) - len(missing)} of {len(trials)} rows done before', flush=True)
    for count, trial in enumerate(missing, 1):
        result = choices.measure(trial, work_dir)
        scores = ', '.join(f'{part} {result.miou(part):.1f}' for part in result.scores)
        took = duration(result.processor_seconds)
        print(f'[{count}/{len(missing)}] {trial.name}: mIoU {scores}; {took}', flush=True)


def main(args: argparse.Namespace) -> int:
    """Measure, write."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    begin, trials = time.monotonic(), planned(args)
    records.take_results(TRAININGS, args.work_dir)
    records.take_results(KEPT, args.work_dir / FOLDER)
    missing = None if args.report_only else partial(measure, trials, args.work_dir)
    names = [trial.name for trial in trials]
    try:
        results = measured_results(missing, names, partial(stored, args.work_dir), args.work_dir / FOLDER)
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    if args.docs:
        records.keep_results(args.work_dir / FOLDER, KEPT)
        fill(PAGE, 'choices', choices_report.section(results))
    print(f'\n{choices_report.section(results)}\nTook {duration(time.monotonic() - begin)}.')
    return 0
