"""The machine that a run meets: CPU cores, and processes on a machine without a GPU."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from mmengine.config import Config, ConfigDict

from sw_mmseg.running.errors import UserError

__all__ = ['adapt_to_device', 'refuse_unusable']


PLACE = ('WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')


def refuse_unusable(device: str) -> None:
    """Raises UserError where torch knows no such device, or this machine has none: `--device cuda` without a GPU."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f'--device {device} cannot be used here: {str(error).splitlines()[0]}') from error


def adapt_to_device(config: Config) -> Config:
    """On a machine without a GPU several processes talk through gloo and models stay on the CPU."""
    if config.launcher == 'none' or torch.cuda.is_available():
        return config
    if config.launcher != 'pytorch':
        raise UserError(f'--launcher {config.launcher} needs one GPU a process; use --launcher pytorch here')
    if not torch.distributed.is_initialized():
        missing = [name for name in ('RANK', *PLACE) if name not in os.environ]
        if missing:
            raise UserError(f'--launcher pytorch, but no {missing[0]} in the environment: use tools/dist_train.sh')
        seconds = config.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
        try:
            torch.distributed.init_process_group('gloo', timeout=seconds and timedelta(seconds=seconds))
        except torch.distributed.DistError as error:
            variables = ', '.join(f'{name}={os.environ[name]}' for name in PLACE)
            raise UserError(
                f'process {os.environ["RANK"]} of {os.environ["WORLD_SIZE"]} did not find the others ({error}): start '
                f'all of them, with the same {variables}; env_cfg.dist_cfg.timeout has the seconds to wait'
            ) from error
    wrapper = config.setdefault(
        'model_wrapper_cfg',
        ConfigDict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=config.get('find_unused_parameters', False),
        ),
    )
    if wrapper.get('type', '').endswith('DistributedDataParallel'):
        wrapper.device_ids = None
    return config
