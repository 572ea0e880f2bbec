"""Unlabelled target images alone, read by position: what source-free methods train on."""

from __future__ import annotations

from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from .labelled_images import as_class_table
from .positions import Positioned

__all__ = ['TargetAlone']


@DATASETS.register_module()
class TargetAlone(Positioned):
    """Every image once an epoch; a `gt_sem_seg` is refused, so that no target label can reach a loss.

    Args:
        target: config of the unlabelled data set (`UnlabelledImages`), or the data set.
        classes: the class table of the network, for the names and colours of predictions.
        seed: of the order; None follows the run's `randomness.seed`.
    """

    def __init__(self, target: dict | BaseDataset, classes: str | dict, seed: int | None = None) -> None:
        super().__init__(target, seed)
        table = as_class_table(classes)
        self._meta = {'classes': table.names, 'palette': table.palette}

    @property
    def target(self) -> BaseDataset:
        """The unlabelled data set, as `DomainPair` calls it."""
        return self.dataset

    @property
    def metainfo(self) -> dict:
        """The network's classes and palette."""
        return self._meta

    def at(self, number: int, seed: int) -> dict:
        """The sample at a position. Raises ValueError where it brings labels."""
        sample = super().at(number, seed)
        if 'gt_sem_seg' in sample['data_samples']:
            raise ValueError('the target of TargetAlone brought labels; its pipeline must not load them')
        return sample
