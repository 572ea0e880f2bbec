"""Error on ImageNet of the authors' released models, expected against measured: `released_error.py CHECKPOINT ...`.

CHECKPOINT is what tools/model_converters/switchable_whitening.py wrote. Needs ImageNet's validation images; without
them it says how they must be laid out. What is expected is what the authors published with the files.
"""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import torch
from mmengine.runner import Runner

from sw_mmseg.analysis import Table, to_markdown
from sw_mmseg.files import is_whole_archive
from sw_mmseg.models.released import EXPECTED_ERROR
from sw_mmseg.running.checkpoints import load_weights
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.option_words import OptionAction

CONFIGS = {
    arch: f'configs/sw_{arch}{"" if arch.startswith("densenet") else "released"}_imagenet.py' for arch in EXPECTED_ERROR
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='converted checkpoints')
    parser.add_argument('--data-root', default='data/imagenet', help='holds val (default: data/imagenet)')
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--workers', type=int, default=4, help='processes that read images')
    parser.add_argument('--work-dir', default='work_dirs/released_error', help='where logs go')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of the config to change',
    )
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def architecture(path: str) -> str:
    """What the converter noted.

    Raises:
        UserError: no such file, or not one of the converter's, in mmpretrain's layout.
    """
    if not Path(path).is_file():
        raise UserError(
            f'no checkpoint {path}: convert a released file with tools/model_converters/switchable_whitening.py'
        )
    is_whole_archive(path)
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
        arch, keys = content['meta']['arch'], content['state_dict'].keys()
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{path} is not what the converter writes: {type(error).__name__}: {error}') from error
    if arch not in CONFIGS or 'head.fc.weight' not in keys:
        raise UserError(f'{path} is no classifier of {sorted(CONFIGS)} in the layout mmpretrain: convert it anew')
    return arch


def measure(path: str, arch: str, args: argparse.Namespace) -> tuple[float, float]:
    """Top-1 and top-5 error in percent."""
    loader = {
        f'test_dataloader.{key}': value
        for key, value in {
            'dataset.data_root': args.data_root,
            'batch_size': args.batch_size,
            'num_workers': args.workers,
            'persistent_workers': False,
        }.items()
    }
    config = load_config(CONFIGS[arch], {**loader, **args.cfg_options}, str(Path(args.work_dir) / arch))
    config.experiment_name = f'{arch}_{Path(path).stem}'
    runner = build('model', lambda: Runner.from_cfg(config))
    load_weights(runner.model, path)
    accuracy = runner.test()
    return 100 - accuracy['accuracy/top1'], 100 - accuracy['accuracy/top5']


def main(args: argparse.Namespace) -> int:
    """Measure one after another, print one table."""
    archs = [architecture(path) for path in args.checkpoints]
    rows = []
    for path, arch in zip(args.checkpoints, archs):
        top1, top5 = measure(path, arch, args)
        rows.append((arch, *EXPECTED_ERROR[arch], float(top1), float(top5), float(top1 - EXPECTED_ERROR[arch][0])))
    headings = ('network', 'top-1 expected', 'top-5 expected', 'top-1', 'top-5', 'difference of top-1')
    print(to_markdown(Table(headings, tuple(rows), f'Error in percent on {args.data_root}/val.', 2)))
    return 0
