"""Which norm parses scenes best, as far as two CPU cores can tell: `tools/analysis/scene_parsing_study.py`.

Trains PSPNet on streets with BN, SN, BW, SWa and SWb, three seeds each, and writes results.csv, results.md and
comparison.png into the work directory. Stop it at will: the same command goes on. Other networks and data are made
small, as `tools/train.py --streets` does: `fcn_ade20k` is that network with every norm of `--norms`, `sw_fcn_ade20k`
with this one. `--docs` also fills docs/scene_parsing.md and its picture,
`--readme` the tables of configs/README.md, from all results that the work directory has.
"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from pathlib import Path

from sw_mmseg.engine.progress import duration
from sw_mmseg.running import paths, records, training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.named_configs import find_named
from sw_mmseg.running.streets import STREETS, draw_streets
from sw_mmseg.studies.documents import fill
from sw_mmseg.studies.measured_results import say_unchecked
from sw_mmseg.studies.scenes import report
from sw_mmseg.studies.scenes import runs as scenes
from sw_mmseg.whitening import NORMS as TABLE

NORMS = ('bn', 'sn', 'bw', 'sw', 'swb')
METHODS = ('fcn', 'pspnet', 'pspnet101')
DOCS, PICTURE = paths.DOCS / 'scene_parsing.md', paths.DOCS / 'images/scene_parsing.png'
README, KEPT = paths.CONFIGS / 'README.md', paths.DOCS / 'results/scene_parsing.jsonl'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'configs',
        nargs='*',
        default=['pspnet_streets'],
        metavar='[NORM_]METHOD_DATA',
        help='names of configs, with a norm or with all of --norms (default: pspnet_streets)',
    )
    parser.add_argument(
        '--norms',
        nargs='+',
        choices=tuple(TABLE),
        default=list(NORMS),
        metavar='NORM',
        help=f'of names without one (default: {", ".join(NORMS)})',
    )
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iterations', type=int, help="of each training (default: the configs')")
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/scene_parsing'))
    parser.add_argument('--data', type=Path, default=STREETS, help='where streets are, or will be')
    parser.add_argument('--docs', action='store_true', help='fill docs/scene_parsing.md')
    parser.add_argument('--readme', action='store_true', help='fill the tables of configs/README.md')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def known(names: list[str], norms: list[str]) -> list[str]:
    """NORM_METHOD_DATA of every network to train, once.

    Raises:
        UserError: a name is no scene parsing config, or the network cannot have the norm.
    """
    stems = [Path(name).name.removesuffix('.py') for name in names]
    plain = networks()
    wrong = [stem for stem in stems if not {stem, stem.partition('_')[2]} & set(plain)]
    if wrong:
        raise UserError(f'{", ".join(wrong)}: no scene parsing config; METHOD_DATA is one of {", ".join(plain)}')
    full = [name for stem in stems for name in ([f'{norm}_{stem}' for norm in norms] if stem in plain else [stem])]
    for name in full:
        find_named(name)
    return list(dict.fromkeys(full))


def networks() -> list[str]:
    """METHOD_DATA of every scene parsing config."""
    names = (path.stem.partition('_')[2] for path in paths.CONFIGS.glob('*.py'))
    return sorted({name for name in names if name.split('_')[0] in METHODS})


def every_result(work_dir: Path) -> list[scenes.Result]:
    """All results that the work directory has, those of the latest call included, in the order of their names."""
    return [
        scenes.Result(**records.without_fingerprint(content)) for content in records.every_result(work_dir).values()
    ]


def main(args: argparse.Namespace) -> int:
    """Draw, train, score, write."""
    names = known(args.configs, args.norms)
    if args.iterations is not None and args.iterations < 1:
        raise UserError('--iterations must be at least 1')
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    gc.freeze()
    begin, results = time.monotonic(), []
    root = draw_streets(args.data)
    records.take_results(KEPT, args.work_dir)
    try:
        for count, (seed, name) in enumerate([(s, n) for s in args.seeds for n in names], 1):
            print(f'[{count}/{len(names) * len(args.seeds)}] {name}, seed {seed}', flush=True)
            result, before = scenes.measure(name, seed, root, args.work_dir, args.iterations)
            results.append(result)
            print(
                f'    mIoU {result.mean_iou:.1f}, pixel accuracy {result.pixel_accuracy:.1f}'
                f'{", done before" if before else f", {duration(result.seconds)}"}',
                flush=True,
            )
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    report.write(args.work_dir, results)
    if args.docs or args.readme:
        records.keep_results(args.work_dir, KEPT)
    if args.docs:
        PICTURE.write_bytes(report.plot(results))
        picture = f'![mIoU of every seed](images/{PICTURE.name})'
        fill(DOCS, 'study', f'{picture}\n\n{report.section(results)}')
    if args.readme:
        say_unchecked(list(records.every_result(args.work_dir)), [f'{r.name}_seed{r.seed}' for r in results])
        fill(README, 'scene parsing tables', report.paper_tables(every_result(args.work_dir)))
    print(
        f'\n{report.to_markdown(report.result_table(results))}\nTook {duration(time.monotonic() - begin)}. '
        f'Written to {args.work_dir}/results.md, results.csv and comparison.png'
    )
    return 0
