"""Norms compared on small images, several seeds each: `classification_study.py --data digits`.

Trains configs/NORM_NETWORK_DATA.py for every norm, network and seed, tests each network on clean and on changed images,
and writes the tables (mean ± sample standard deviation), training curves (the paper's Figure 2) and curves of the
importance ratios (Figure 6). Stop it at will: the next call goes on, and skips what is done. Numbers are those of the
last iteration; no test label chooses anything. CIFAR as in the paper's Table 2, five runs each:

    classification_study.py --data cifar10 --networks resnet20 resnet44 resnet56 resnet110
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import DATASETS

from sw_mmseg.analysis import error_rate, robustness
from sw_mmseg.running import records, training
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.studies.classification.report import LABELS, Result, write

NORMS = ('bn', 'sn', 'bw', 'iw', 'sw', 'swb')
CODE = ('whitening', 'models/cifar_resnet.py', 'analysis/corruptions.py')  # what results depend on, beside the config


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', default='digits',
                        help='last word of the configs: digits (default), streetcrops, cifar10, cifar100')
    parser.add_argument('--networks', nargs='+', default=['resnet20'], help='second words of the configs')
    parser.add_argument('--norms', nargs='+', choices=list(LABELS),
                        help=f'(default: those of {", ".join(NORMS)} that have a config)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/classification_study'))
    parser.add_argument('--out', type=Path, help='where tables and figures go (default: WORK_DIR/DATA)')
    parser.add_argument('--report-only', action='store_true', help='write the report of what is done, train nothing')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='settings of every config to change')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def plan(args: argparse.Namespace) -> list[training.Run]:
    """All runs, seed by seed, so that an interrupted study has every norm."""
    found = []
    for seed in args.seeds:
        for network in args.networks:
            for norm in args.norms or NORMS:
                config = Path('configs') / f'{norm}_{network}_{args.data}.py'
                if config.is_file():
                    folder = args.work_dir / 'runs' / f'{config.stem}_seed{seed}'
                    found.append(training.Run(norm, network, seed, str(config), args.cfg_options, folder))
                elif args.norms:
                    raise UserError(f'no config {config}; ' + (f'{args.data} has {", ".join(known_configs(args.data))}'
                                                               if known_configs(args.data) else 'see configs/'))
    if not found:
        raise UserError(f'no configs for --data {args.data} --networks {" ".join(args.networks)}')
    return found


def known_configs(data: str) -> list[str]:
    """Names of the configs of a data set."""
    return sorted(path.stem for path in Path('configs').glob(f'*_{data}.py'))


def read_images(dataset: dict) -> tuple[np.ndarray, np.ndarray]:
    """Every image (N, H, W, 3) uint8 of a test set and its label (N,), as stored."""
    plain = DATASETS.build({**dataset, 'pipeline': []})
    samples = [plain[index] for index in range(len(plain))]
    return np.stack([sample['img'] for sample in samples]), np.array([sample['gt_label'] for sample in samples])


@torch.no_grad()
def predict(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Labels of a batch of images (N, H, W, 3) uint8."""
    model.eval()
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    batch = model.data_preprocessor({'inputs': inputs}, False)
    return model(batch['inputs'], mode='tensor').argmax(1).cpu().numpy()


def measure(model: torch.nn.Module, config: Config) -> dict:
    """Errors on the validation set, clean and changed, and on the test set where it is another one."""
    def own(batch: np.ndarray) -> np.ndarray:
        return predict(model, batch)

    images, labels = read_images(config.val_dataloader.dataset)
    other = config.test_dataloader.dataset
    shifted = error_rate(own, *read_images(other)) if other != config.val_dataloader.dataset else None
    return {'error': error_rate(own, images, labels), 'shifted': shifted, 'changed': robustness(own, images, labels)}


def work(run: training.Run, position: str, report_only: bool) -> Result | None:
    """A finished run's result: read, or trained and measured now."""
    config = load_config(run.config, run.options, str(run.folder))
    config.randomness.seed = run.seed
    mark, file = records.fingerprint(config, code=CODE), run.folder.with_suffix('.json')
    known = records.read_result(file, mark)
    if known is not None:
        return Result(**known)
    if report_only:
        return None
    label = f'{position} {Path(run.config).stem} seed {run.seed}'
    model, seconds = training.train(run, config, mark, label)
    begin = time.monotonic()
    result = Result(run.treatment, run.network, run.seed, **measure(model, config), seconds=seconds,
                    command=run.command(), folder=str(run.folder))
    records.write_result(file, mark, result)
    tested = time.monotonic() - begin
    print(f'{label}: error {result.error:.2f} %; training {seconds:.0f} s, tests {tested:.0f} s', flush=True)
    del model
    gc.collect()
    return result


def main(args: argparse.Namespace) -> int:
    """Train what is missing, then write."""
    planned = plan(args)
    results = []
    try:
        for number, run in enumerate(planned, 1):
            results.append(work(run, f'[{number}/{len(planned)}]', args.report_only))
    except training.Interrupted:
        print('Stopped; the same command goes on.', file=sys.stderr)
        return 130
    done = [result for result in results if result is not None]
    if not done:
        raise UserError('nothing is done yet that fits the configs and the code: leave out --report-only')
    if len(done) < len(planned):
        print(f'{len(planned) - len(done)} of {len(planned)} runs are not done, or out of date, and left out')
    order = {norm: index for index, norm in enumerate(LABELS)}
    done.sort(key=lambda result: (args.networks.index(result.network), order[result.norm], result.seed))
    about = (f'{args.data}, {len(args.seeds)} seeds, threads: {torch.get_num_threads()}, '
             f'torch {torch.__version__.split("+")[0]}, {time.strftime("%Y-%m-%d")}.')
    file = write(done, args.data, args.out or args.work_dir / args.data, about)
    print(file.read_text())
    print(f'Written to {file.parent}')
    return 0
