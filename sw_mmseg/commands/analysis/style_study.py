"""Which norm transfers style best, as far as a CPU can tell: `tools/analysis/style_study.py`.

Trains configs/bn_style_streets.py with BN, IN, IW, SWa and SWb, three seeds each, and writes the losses and importance
ratios over training (the paper's Figure 4), a contact sheet of contents by norms (Figures 5 and 9) and tables into the
work directory. Stop it at will: the same command goes on. `--docs` also fills docs/style_transfer.md and its pictures.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import time
import warnings
from pathlib import Path

from mmengine.config import DictAction

from sw_mmseg.engine.progress import duration
from sw_mmseg.running import paths, training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.streets import STREETS, draw_streets
from sw_mmseg.studies.documents import fill
from sw_mmseg.studies.style import report
from sw_mmseg.studies.style import runs as styles
from sw_mmseg.whitening import NORMS as TABLE

NORMS = ('bn', 'in', 'iw', 'sw', 'swb')
DOCS, IMAGES = paths.DOCS / 'style_transfer.md', paths.DOCS / 'images'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--norms', nargs='+', choices=tuple(TABLE), default=list(NORMS))
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iterations', type=int, help="of each training (default: the configs')")
    parser.add_argument('--style', help="a picture, or drawn://NAME (default: the configs')")
    parser.add_argument(
        '--loss-network',
        type=Path,
        metavar='CHECKPOINT',
        help="a VGG16 trained here, or a file of torchvision's vgg16 (default: random filters)",
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/style_study'))
    parser.add_argument('--data', type=Path, default=STREETS, help='where streets are, or will be')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of every config to change, e.g. model.loss.style=1',
    )
    parser.add_argument('--docs', action='store_true', help='fill docs/style_transfer.md')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Draw, train, stylise, write."""
    if args.iterations is not None and args.iterations < 1:
        raise UserError('--iterations must be at least 1')
    if args.loss_network is not None and not args.loss_network.is_file():
        raise UserError(f'--loss-network: no file {args.loss_network}')
    choices = {
        'model.style': args.style,
        'model.loss_network.checkpoint': args.loss_network and str(args.loss_network),
        **args.cfg_options,
    }
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    gc.freeze()
    begin, results = time.monotonic(), []
    root = draw_streets(args.data)
    planned = [(seed, f'{norm}_style_streets') for seed in args.seeds for norm in args.norms]
    try:
        for count, (seed, name) in enumerate(planned, 1):
            print(f'[{count}/{len(planned)}] {name}, seed {seed}', flush=True)
            result, before = styles.measure(name, seed, root, args.work_dir, choices, args.iterations)
            results.append(result)
            content, style = (report.last_tenth(result.losses[word]) for word in ('content', 'style'))
            print(
                f'    content loss {content:.2f}, style loss {style:.2f}'
                f'{", done before" if before else f", {duration(result.seconds)}"}',
                flush=True,
            )
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    figures = report.write(args.work_dir, results, styles.sheet_contents(root))
    if args.docs:
        IMAGES.mkdir(parents=True, exist_ok=True)
        for file in figures.values():
            shutil.copyfile(file, IMAGES / file.name)
        fill(DOCS, 'study', report.section(results, [f'images/{file.name}' for file in figures.values()]))
    print(
        f'\n{report.to_markdown(report.loss_table(results))}\nTook {duration(time.monotonic() - begin)}. '
        f'Written to {args.work_dir}/results.md, results.csv and style_*'
    )
    return 0
