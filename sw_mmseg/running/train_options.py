"""Options of a training put into its config: precision, seed, checkpoint, shards; and the data looked at first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process

from sw_mmseg.running.command_line import command_text
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.newest_checkpoint import newest_whole
from sw_mmseg.running.streets import knows

__all__ = ['check_data', 'use_checkpoint', 'use_mixed_precision', 'use_seed', 'use_shards']


def use_mixed_precision(config: Config, kind: str = 'auto') -> None:
    """Give every optimiser of the config a wrapper that computes in half precision."""
    if kind == 'fp16' and not torch.cuda.is_available():
        raise UserError('--amp fp16 needs a GPU; bfloat16 works here: --amp bf16')
    wrappers = config.optim_wrapper
    several = [w for w in wrappers.values() if isinstance(w, dict) and 'optimizer' in w]
    for wrapper in several or [wrappers]:
        wrapper_type = wrapper.get('type', 'OptimWrapper')
        if wrapper_type not in ('OptimWrapper', 'AmpOptimWrapper', 'Bfloat16OptimWrapper'):
            raise UserError(f'--amp knows OptimWrapper and AmpOptimWrapper, the config has {wrapper_type}')
        if torch.cuda.is_available() and kind != 'bf16':
            wrapper.type = 'AmpOptimWrapper'
            wrapper.setdefault('loss_scale', 'dynamic')
        else:
            wrapper.type = 'Bfloat16OptimWrapper'
            wrapper.pop('loss_scale', None)
            wrapper.pop('dtype', None)


def use_shards(config: Config) -> None:
    """Leave out the hooks that compute on the first process alone, which has only a part of the network."""
    if config.optim_wrapper.get('constructor') == 'DomainOptimWrapperConstructor':
        raise UserError('--fsdp trains plain networks; the parts of an adaptation method cannot be sharded')
    config.custom_hooks = [
        hook
        for hook in config.get('custom_hooks', [])
        if hook.type not in ('ImportanceRatioHook', 'SamplePicturesHook', 'StyleSamplesHook')
    ]


def use_checkpoint(config: Config, resume: str | None) -> None:
    """`--resume` into the config; a checkpoint that is not there is said before anything is built."""
    if resume is None:
        return
    if resume == 'auto':
        newest, faults = newest_whole(Path(config.work_dir))
        for fault in faults if is_main_process() else ():
            print(f'--resume: {fault}', flush=True)
        if newest is None:
            raise UserError(
                f'--resume: no {"whole " if faults else ""}checkpoint in {config.work_dir}; start without '
                '--resume, or give its path'
            )
        if faults and is_main_process():
            print(f'--resume: going on from {newest}, the newest that is whole', flush=True)
        resume = str(newest)
    if not Path(resume).is_file():
        raise UserError(f'--resume: no checkpoint {resume}')
    config.resume, config.load_from = True, resume


def use_seed(config: Config, seed: int | None) -> None:
    """One seed for weights, and for the order and augmentation of the samples, which follow it."""
    given = config.get('randomness', {}).get('seed') if seed is None else seed
    if given is not None and not 0 <= given < 2**32:
        raise UserError(f'randomness.seed={given} is no seed: give a whole number from 0 to {2**32 - 1}')
    if seed is not None:
        config.setdefault('randomness', {})['seed'] = seed


def check_data(config: Config, extent: str, path: str) -> None:
    """Look at every data set of the run (first process only)."""
    if extent == 'none' or not is_main_process():
        return
    from sw_mmseg.datasets import DatasetError, check_dataset

    for loader in (config.get('train_dataloader'), config.get('val_dataloader')):
        try:
            if loader:
                build('data', partial(check_dataset, loader.dataset, decode=None if extent == 'all' else 32))
        except DatasetError as error:
            if not knows(config):
                raise
            raise UserError(
                f'{error} To train the same config without these data, small and on drawn scenes: '
                f'{command_text("train", path, "--streets")}'
            ) from error
