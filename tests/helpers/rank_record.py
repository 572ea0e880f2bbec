"""Imported by configs under test: a hook that writes down what every process saw and ended with."""

import os
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner.checkpoint import get_state_dict

from sw_mmseg.engine.sharded import whole


@HOOKS.register_module(force=True)
class RankRecordHook(Hook):
    """WORK_DIR/rank_R.pth: the losses of each iteration, the pictures of each batch, and the final state; while it
    trains, WORK_DIR/process_R: its process id and iterations done."""

    priority = 'LOWEST'

    def __init__(self):
        self.losses, self.pictures = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Only losses: accuracies are no means over pictures."""
        self.losses.append({key: float(value) for key, value in outputs.items() if 'loss' in key})
        sides = [data_batch] if 'inputs' in data_batch else list(data_batch.values())
        self.pictures.append([Path(s.img_path).name for side in sides for s in side['data_samples']])
        (Path(runner.work_dir) / f'process_{get_rank()}').write_text(f'{os.getpid()} {runner.iter + 1}')

    def after_train(self, runner):
        """The state after the last iteration."""
        state = whole({key.replace('module.', ''): value for key, value in get_state_dict(runner.model).items()})
        torch.save(
            {'losses': self.losses, 'pictures': self.pictures, 'state': state},
            Path(runner.work_dir) / f'rank_{get_rank()}.pth',
        )
