"""Train a network: `tools/train.py CONFIG`. Several GPUs: tools/dist_train.sh, tools/slurm_train.sh.

Data are checked before anything is trained. Ctrl-C leaves a checkpoint; the same command with --resume goes on from it.
With --cfg-options train_cfg.max_iters=MORE it goes on for longer, schedules included; other rates are honoured likewise
where this call asks for them.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

from sw_mmseg.engine import InterruptHook, ShardedRunner
from sw_mmseg.running.alone import alone_in
from sw_mmseg.running.checkpoints import WholeCheckpointHook
from sw_mmseg.running.command_line import add_common_arguments, seed_number
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.rehearsal import build_all
from sw_mmseg.running.resume import settle_resume
from sw_mmseg.running.streets import make_streets, use_streets
from sw_mmseg.running.train_options import check_data, use_checkpoint, use_mixed_precision, use_seed, use_shards
from sw_mmseg.running.unknown_keys import refuse_unknown_keys

# what gloo and NCCL say when a process on the other side is gone
LOST_PROCESS = re.compile(r'[Cc]onnection (reset|closed|refused)|[Tt]imed out|[Rr]emote process exited|NCCL.*abort')
RANKS = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}  # launcher -> variable


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a file of configs/')
    add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help="go on from a checkpoint; without a path from the work directory's latest",
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='auto',
        choices=('auto', 'fp16', 'bf16'),
        help='mixed precision; without a word float16 on a GPU, bfloat16 on a CPU',
    )
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='the same seed gives the same losses to the bit, where the device has such operations',
    )
    parser.add_argument(
        '--seed', type=seed_number, help="seed of weights, order and augmentation (default: the config's)"
    )
    add_run_options(parser)
    return parser.parse_args(arguments)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """On what data and how many processes."""
    parser.add_argument(
        '--streets',
        action='store_true',
        help='train a scene parsing config, made small, on drawn scenes: minutes on two CPU cores',
    )
    parser.add_argument(
        '--fsdp',
        action='store_true',
        help='split parameters and optimiser over the processes, for networks too large for one GPU',
    )
    parser.add_argument(
        '--check-data',
        choices=('sample', 'all', 'none'),
        default='sample',
        help='decode some, all or none of the images and labels first (default: sample)',
    )


def train(runner: Runner) -> None:
    """Trains; that another process was lost is said in words, and how to go on.

    Raises:
        UserError: the processes cannot reach each other any more.
    """
    try:
        runner.train()
    except RuntimeError as error:
        if get_world_size() == 1 or not LOST_PROCESS.search(str(error)):
            raise
        path = find_latest_checkpoint(runner.work_dir)
        way_on = f'To go on from {path}: the same command with --resume' if path else 'No checkpoint had been written'
        raise UserError(
            f'process {get_rank()} of {get_world_size()} lost another one at iteration {runner.iter + 1}. '
            f'{way_on}. ({str(error).splitlines()[0]})'
        ) from error


def build_runner(config: Config, args: argparse.Namespace) -> Runner:
    """Everything that trains, from a checkpoint where the config resumes.

    Raises:
        UserError: something does not build, or the checkpoint is of another run.
    """
    refuse_unknown_keys(config)
    hooks: list[Hook] = []
    if config.get('resume') and config.load_from:
        hooks = [WholeCheckpointHook(config.load_from), *settle_resume(config, args.cfg_options)]
    runner = build('model', lambda: (ShardedRunner if args.fsdp else Runner).from_cfg(config))
    for hook in hooks:
        runner.register_hook(hook)
    if not args.fsdp:
        build_all(runner)
    return runner


def prepared(args: argparse.Namespace) -> Config:
    """The config with all options in it, on data that were looked at."""
    config = load_config(
        args.config, args.cfg_options, args.work_dir, args.launcher, norm=args.norm, network=args.network
    )
    if args.streets:
        use_streets(config)
        config.merge_from_dict(args.cfg_options)  # the user has the last word
        config.work_dir = args.work_dir or f'{config.work_dir}_streets'
    use_checkpoint(config, args.resume)
    use_seed(config, args.seed)
    if args.amp:
        use_mixed_precision(config, args.amp)
    if args.deterministic:
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # what cuBLAS needs for it
        config.setdefault('randomness', {})['deterministic'] = True
    if args.streets:
        make_streets(config)
    check_data(config, args.check_data, args.config)
    if args.fsdp:
        use_shards(config)
    return config


def main(args: argparse.Namespace) -> int:
    """Parse, check, train. Returns the exit status: 128 + signal after an interrupt."""
    config = prepared(args)
    first = os.environ.get(RANKS.get(args.launcher, ''), '0') == '0'  # mmengine knows once the runner is there
    with alone_in(Path(config.work_dir)) if first else nullcontext():
        runner = build_runner(config, args)
        if args.deterministic:  # operations without a deterministic form (pooling to a grid, backwards, on GPUs) warn
            torch.use_deterministic_algorithms(True, warn_only=True)
        train(runner)
    signum = next((hook.signum for hook in runner.hooks if isinstance(hook, InterruptHook)), None)
    if signum is None:
        return 0
    if is_main_process():
        print(f'Saved in {config.work_dir}. To go on: the same command with --resume', file=sys.stderr)
    return 128 + signum
