"""Rounds of self-training: when one is due, the model labels the target's training images, and the log says how."""

from __future__ import annotations

import logging
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from sw_mmseg.adaptation.base import unwrap
from sw_mmseg.engine.pseudo_label_files import PseudoLabelFiles

__all__ = ['PseudoLabelRoundsHook']

CHANCE = ('Random', 'PhotoMetric', 'Cutout')  # what names of transforms say that draw random numbers


@HOOKS.register_module()
class PseudoLabelRoundsHook(Hook):
    """Gives a method with rounds its target and the place of its files, and begins its rounds; warns of collapse.

    A class has collapsed where a round labels less than `collapse` of the pixels as it that the round before did, or,
    in the first round, none at all.

    Args:
        batch_size: of the batches on which statistics are estimated.
        collapse: share of the round before.
        folder: where labels are written; `pseudo_labels` in the folder of the run by default.
    """

    def __init__(self, batch_size: int = 4, collapse: float = 0.25, folder: str | None = None) -> None:
        if batch_size < 1 or not 0 <= collapse < 1:
            raise ValueError(f'batch_size must be positive, collapse in [0, 1); got {batch_size}, {collapse}')
        self.batch_size, self.collapse, self.folder = batch_size, collapse, folder

    def before_train(self, runner: Runner) -> None:
        """Raises ValueError for a method without rounds or a target whose images change from reading to reading, and
        PseudoLabelError where a resumed round's labels are missing."""
        model, target = unwrap(runner.model), self._target(runner)
        if not hasattr(model, 'begin_round'):
            raise ValueError(f'PseudoLabelRoundsHook needs a method with rounds, {type(model).__name__} has none')
        steps = [type(step).__name__ for step in getattr(target.pipeline, 'transforms', [])]
        changing = [name for name in steps if name.startswith(CHANCE)]
        if changing:
            raise ValueError(
                'the pipeline of the target must give the same image each time, since labels are kept for '
                f'a round: take out {", ".join(changing)}; the method disturbs target images by itself'
            )
        paths = [target.get_data_info(index)['img_path'] for index in range(len(target))]
        folder = self.folder or Path(runner.work_dir) / 'pseudo_labels'
        model.files = PseudoLabelFiles(folder, paths, runner.train_dataloader.dataset.metainfo['palette'])
        if runner.iter == 0:
            model.restart()
        if int(model.round):
            model.files.check(int(model.round), model.thresholds.tolist())

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Begins a round when one is due."""
        model = unwrap(runner.model)
        if model.next_round() is not None:
            manifest = model.begin_round(self._target(runner), self.batch_size)
            self._report(runner, model, manifest)

    def _target(self, runner: Runner) -> Dataset:
        target = getattr(runner.train_dataloader.dataset, 'target', None)
        if target is None:
            raise ValueError(
                'PseudoLabelRoundsHook needs a DomainPair as the data set of training: it labels the target of it'
            )
        return target

    def _report(self, runner: Runner, model: nn.Module, manifest: dict) -> None:
        names = runner.train_dataloader.dataset.metainfo['classes']
        number, pixels = int(model.round), manifest['pixels']
        total = max(sum(pixels), 1)
        shares = ', '.join(f'{name} {count / total:.3f}' for name, count in zip(names, pixels))
        gone = self.collapsed(pixels, (model.files.manifest(number - 1) or {}).get('pixels'))
        advice = (
            (
                f'. Collapsed: {", ".join(names[index] for index in gone)}. Train longer before the first round '
                '(warmup), or sample rare classes of the source (rare_class_sampling)'
            )
            if gone
            else ''
        )
        runner.logger.log(
            logging.WARNING if gone else logging.INFO,
            f'round {number} of self-training: {sum(manifest["kept"]) / total:.3f} of the pixels of '
            f'{len(model.files.names)} target images have a label; of all, {shares}{advice}',
        )

    def collapsed(self, pixels: list[int], before: list[int] | None) -> list[int]:
        """Classes whose number of pixels has collapsed."""
        if before is None:
            return [index for index, count in enumerate(pixels) if count == 0]
        return [index for index, (count, old) in enumerate(zip(pixels, before)) if count < self.collapse * old]
