"""The machine that a run meets: CPU cores, and processes on a machine without a GPU."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from mmengine.config import Config, ConfigDict

from sw_mmseg.running.errors import UserError

__all__ = ['adapt_to_device']


def adapt_to_device(config: Config) -> Config:
    """On a machine without a GPU several processes talk through gloo and models stay on the CPU."""
    if config.launcher == 'none' or torch.cuda.is_available():
        return config
    if config.launcher != 'pytorch':
        raise UserError(f'--launcher {config.launcher} needs one GPU a process; use --launcher pytorch here')
    if not torch.distributed.is_initialized():
        missing = [name for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT') if name not in os.environ]
        if missing:
            raise UserError(f'--launcher pytorch, but no {missing[0]} in the environment: use tools/dist_train.sh')
        seconds = config.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
        torch.distributed.init_process_group('gloo', timeout=seconds and timedelta(seconds=seconds))
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
