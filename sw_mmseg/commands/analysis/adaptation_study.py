"""What SW adds to domain adaptation, measured: `tools/analysis/adaptation_study.py`.

Rows are methods, columns norms, several seeds each; every network is scored under every statistics policy. Writes
results.csv, results.md and plots into the work directory. Stop it at will: the same command goes on, and skips what
is done. `--jobs 2` trains two networks side by side, each with its share of the processors. On GTA5 and Cityscapes:

    adaptation_study.py --data gta2cityscapes --methods sourceonly adaptsegnet --norms bn sn sw swb

Numbers are those of the last iteration; the best checkpoint on the target stands beside them and is called so. A
norm's best statistics policy is chosen by the mean over seeds on target labels, and all policies are in a table.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from sw_mmseg.datasets.streets import TARGETS
from sw_mmseg.engine.progress import duration
from sw_mmseg.running import records, training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.networks import NETWORKS
from sw_mmseg.running.paths import DOCS
from sw_mmseg.running.streets import STREETS
from sw_mmseg.studies.adaptation import report, runs
from sw_mmseg.studies.adaptation.cells import Cell, Result
from sw_mmseg.studies.adaptation.study import plan, stored, work
from sw_mmseg.studies.adaptation.variations import VARIATIONS
from sw_mmseg.studies.measured_results import say_unchecked
from sw_mmseg.whitening import NORMS

KEPT = Path('results/adaptation.jsonl')  # below docs
METHODS = ('sourceonly', 'adaptsegnet')
STUDIED = ('bn', 'in', 'sn', 'ibn', 'bw', 'iw', 'sw', 'swb')


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=list(METHODS), help='second words of the configs')
    parser.add_argument('--norms', nargs='+', choices=tuple(NORMS), default=list(STUDIED))
    parser.add_argument('--network', choices=tuple(NETWORKS), help="of all rows, in place of the configs'")
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2])
    parser.add_argument('--targets', nargs='+', default=['varied'], help=f'of streets: {", ".join(TARGETS)}')
    parser.add_argument(
        '--variations',
        nargs='+',
        choices=['none', *VARIATIONS],
        default=['none'],
        help='switches at other learning rates, other batch sizes, statistics of both domains',
    )
    parser.add_argument('--data', default='streets', help='last word of the configs: streets, gta2cityscapes')
    parser.add_argument('--iterations', type=int, help="of each training (default: the configs')")
    parser.add_argument('--jobs', type=int, default=1, help='trainings side by side')
    parser.add_argument(
        '--work-dir', type=Path, help='(default: work_dirs/adaptation_study, or work_dirs/adaptation_study_NETWORK)'
    )
    parser.add_argument('--streets', type=Path, default=STREETS, help='where streets are, or will be')
    parser.add_argument('--report-only', action='store_true', help='write the report of what is done, train nothing')
    parser.add_argument('--docs', action='store_true', help='fill docs/adaptation.md and its pictures')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    args = parser.parse_args(arguments)
    if args.docs and args.network:
        parser.error("--docs is of the configs' own networks: leave out --network")
    args.work_dir = args.work_dir or Path('_'.join(filter(None, ('work_dirs/adaptation_study', args.network))))
    return args


def shown(args: argparse.Namespace, planned: list[Cell]) -> list[Result]:
    """Results of the length and network asked for, those of earlier calls included, which is said.

    Raises:
        UserError: there is none.
    """
    results = {
        name: result
        for name, result in zip(records.every_result(args.work_dir), stored(args.work_dir))
        if args.iterations in (None, result.iterations) and result.network == args.network
    }
    if not results:
        raise UserError(f'no result in {args.work_dir} yet: leave out --report-only')
    say_unchecked(list(results), [] if args.report_only else [cell.name for cell in planned])
    return list(results.values())


def main(args: argparse.Namespace) -> int:
    """Draw, train, score, write."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if args.jobs < 1 or (args.iterations is not None and args.iterations < 1):
        raise UserError('--jobs and --iterations must be at least 1')
    begin, planned = time.monotonic(), plan(args)
    if args.data == 'streets':
        records.take_results(DOCS / KEPT, args.work_dir)
    if not args.report_only:
        if args.data == 'streets':
            runs.draw(args.targets, args.streets, args.work_dir)
        missing = [cell for cell in planned if runs.known_result(cell, args.work_dir, args.streets) is None]
        print(f'{len(planned) - len(missing)} of {len(planned)} trainings done before', flush=True)
        try:
            for count, (cell, result) in enumerate(work(missing, args), 1):
                scores = ', '.join(f'{policy} {result.miou(policy):.1f}' for policy in result.scores)
                print(
                    f'[{count}/{len(missing)}] {cell.name}: target mIoU {scores}; {duration(result.seconds)}',
                    flush=True,
                )
        except (training.Interrupted, KeyboardInterrupt) as stop:
            return training.stopped(stop)
    results = shown(args, planned)
    written = report.write(args.work_dir, results)
    if args.docs:
        report.fill_docs(DOCS, results)
        records.keep_results(args.work_dir, DOCS / KEPT)
    print(
        f'\n{report.summary(results)}\nTook {duration(time.monotonic() - begin)}. '
        f'Written to {args.work_dir}: {", ".join(written)}'
    )
    return 0
