"""Norms compared on small images, several seeds each: `classification_study.py --data digits`.

Trains the configs of every network with every norm and seed, tests each network on clean and on changed images,
and writes the tables (mean ± sample standard deviation), training curves (the paper's Figure 2) and curves of the
importance ratios (Figure 6). Stop it at will: the next call goes on, and skips what is done. Numbers are those of the
last iteration; no test label chooses anything. CIFAR as in the paper's Table 2, five runs each:

    classification_study.py --data cifar10 --networks resnet20 resnet44 resnet56 resnet110
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from mmengine.config import DictAction

from sw_mmseg.running import training
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.studies.classification.report import LABELS, write
from sw_mmseg.studies.classification.runs import NORMS, plan, work


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--data', default='digits', help='last word of the configs: digits (default), streetcrops, cifar10, cifar100'
    )
    parser.add_argument('--networks', nargs='+', default=['resnet20'], help='second words of the configs')
    parser.add_argument(
        '--norms',
        nargs='+',
        choices=list(LABELS),
        help=f"(default: {', '.join(NORMS)}, or the paper's where it has the network and the data)",
    )
    parser.add_argument('--seeds', type=seed_number, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/classification_study'))
    parser.add_argument('--out', type=Path, help='where tables and figures go (default: WORK_DIR/DATA)')
    parser.add_argument('--report-only', action='store_true', help='write the report of what is done, train nothing')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of every config to change',
    )
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Train what is missing, then write."""
    planned = plan(args)
    results = []
    try:
        for number, run in enumerate(planned, 1):
            results.append(work(run, f'[{number}/{len(planned)}]', args.report_only))
    except (training.Interrupted, KeyboardInterrupt) as stop:
        return training.stopped(stop)
    done = [result for result in results if result is not None]
    if not done:
        raise UserError('nothing is done yet that fits the configs and the code: leave out --report-only')
    if len(done) < len(planned):
        print(f'{len(planned) - len(done)} of {len(planned)} runs are not done, or out of date, and left out')
    order = {norm: index for index, norm in enumerate(LABELS)}
    done.sort(key=lambda result: (args.networks.index(result.network), order[result.norm], result.seed))
    about = (
        f'{args.data}, {len(args.seeds)} seeds, threads: {torch.get_num_threads()}, '
        f'torch {torch.__version__.split("+")[0]}, {time.strftime("%Y-%m-%d")}.'
    )
    file = write(done, args.data, args.out or args.work_dir / args.data, about)
    print(file.read_text())
    print(f'Written to {file.parent}')
    return 0
