"""What the demo trains: which configs, how long, and from where on."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config

from sw_mmseg.running import schedules
from sw_mmseg.running.named_configs import find_named
from sw_mmseg.running.training import Run
from sw_mmseg.studies.demo.rows import ADVERSARIAL, SELF_TRAINING, SOURCE_ONLY, row_name

__all__ = ['CONFIGS', 'lengths', 'run_of', 'treatments']

CONFIGS = {
    SOURCE_ONLY: '{}_jitter_streets2cameras',
    ADVERSARIAL: '{}_adaptsegnet_streets2cameras',
    SELF_TRAINING: '{}_cbst_streets2cameras',
}
SOURCE_ITERATIONS, ADAPTED_ITERATIONS = 300, 120


def treatments(args: argparse.Namespace, network: str) -> list[str]:
    """How a network is trained; adversarially if it is the first, or if all are."""
    left_out = () if args.all or network == args.rows[0] else (ADVERSARIAL,)
    return [treatment for treatment in CONFIGS if treatment not in left_out]


def lengths(args: argparse.Namespace) -> tuple[int, int]:
    """Iterations on the source alone, and those that follow on both domains."""
    return args.iterations or SOURCE_ITERATIONS, args.iterations or ADAPTED_ITERATIONS


def run_of(args: argparse.Namespace, data: Path, network: str, treatment: str, seed: int) -> Run:
    """One training; methods that see the target go on from the network of the source only."""
    named = find_named(CONFIGS[treatment].format(network))
    config, (alone, adapted) = Config.fromfile(named.file), lengths(args)
    if treatment == SOURCE_ONLY:
        options = schedules.schedule_options(config, alone)
    else:
        last = run_of(args, data, network, SOURCE_ONLY, seed).folder / f'iter_{alone}.pth'
        options = schedules.continued_options(config, str(last), adapted)
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        options |= schedules.data_options(config[part], str(data), part)
    folder = args.work_dir / 'runs' / row_name(network, treatment, seed)
    return Run(network, treatment, seed, named.path, options, folder, named.norm)
