"""Whether SW helps detection, also on pictures unlike the training's: `tools/analysis/detection_study.py`.

Trains a narrow Mask R-CNN on streets' game-like pictures with SyncBN, GN, SN and SWa, three seeds each, scores it on
held-out pictures of the game and on the camera's, and writes results.csv, results.md and comparison.png into the work
directory. Stop it at will: the same command goes on. `--docs` also fills docs/instance_segmentation.md.
"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from pathlib import Path

from sw_mmseg.datasets.streets.instances import instance_files
from sw_mmseg.engine.progress import duration
from sw_mmseg.running import paths, records, training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.studies.detection import report
from sw_mmseg.studies.detection import runs as detection
from sw_mmseg.studies.documents import fill
from sw_mmseg.whitening import NORMS as TABLE

NORMS = ('syncbn', 'gn', 'sn', 'sw')
DOCS, PICTURE = paths.DOCS / 'instance_segmentation.md', paths.DOCS / 'images/instance_segmentation.png'
KEPT = paths.DOCS / 'results/detection.jsonl'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--norms', nargs='+', choices=tuple(TABLE), default=list(NORMS))
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iterations', type=int, help="of each training (default: the configs')")
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/detection'))
    parser.add_argument(
        '--data',
        type=Path,
        default=Path('data/streets_instances/varied'),
        help='streets with instances (default: data/streets_instances/varied)',
    )
    parser.add_argument('--docs', action='store_true', help=f'fill {DOCS.relative_to(paths.REPOSITORY)}')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def check(args: argparse.Namespace) -> None:
    """Raises UserError where something is missing or makes no sense."""
    if args.iterations is not None and args.iterations < 1:
        raise UserError('--iterations must be at least 1')
    missing = [file for file in instance_files(args.data).values() if not file.is_file()]
    if missing:
        raise UserError(
            f'{missing[0]} is missing. Make the data with: python '
            f'tools/dataset_converters/streets_instances.py {args.data.parent}'
        )


def main(args: argparse.Namespace) -> int:
    """Train, score, write."""
    check(args)
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    gc.freeze()
    begin, results = time.monotonic(), []
    names = [f'{norm}_maskrcnn_streets' for norm in args.norms]
    records.take_results(KEPT, args.work_dir)
    try:
        for count, (seed, name) in enumerate([(s, n) for s in args.seeds for n in names], 1):
            print(f'[{count}/{len(names) * len(args.seeds)}] {name}, seed {seed}', flush=True)
            result, before = detection.measure(name, seed, args.data, args.work_dir, args.iterations)
            results.append(result)
            text = ', '.join(f'{domain} {scores["bbox"]["AP50"]:.1f}' for domain, scores in result.scores.items())
            print(f'    box AP50: {text}{"; done before" if before else f"; {duration(result.seconds)}"}', flush=True)
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    results.sort(key=lambda result: (names.index(result.name), result.seed))
    report.write(args.work_dir, results)
    if args.docs:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes(report.plot(results))
        fill(DOCS, 'study', report.section(results))
        records.keep_results(args.work_dir, KEPT)
    print(
        f'\n{report.to_markdown(report.result_table(results))}\nTook {duration(time.monotonic() - begin)}. '
        f'Written to {args.work_dir}/results.md, results.csv and comparison.png'
    )
    return 0
