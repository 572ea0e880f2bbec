"""Classes of one labelled image pasted onto another of the same data set (ClassMix: Olsson et al., 2021), as a source.

Things then stand where no scene has them and hide each other as no scene does, so that less is learnt from places.
Half of the classes of the second image are pasted, with their labels. Self-training mixes across domains instead, in
its step (`adaptation/class_mix.py`).
"""

from __future__ import annotations

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from torch import Tensor
from torch.utils.data import Dataset

from .errors import DatasetError
from .labels import IGNORE

__all__ = ['ClassMix']


@DATASETS.register_module()
class ClassMix(Dataset):
    """A labelled data set whose pipeline packs samples of one size.

    Args:
        dataset: config of the data set, or the data set.
        prob: share of the samples onto which something is pasted.
    """

    def __init__(self, dataset: dict | BaseDataset, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} must lie between 0 and 1')
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.prob = prob

    @property
    def METAINFO(self) -> dict:
        """What the files of the data set hold."""
        return self.dataset.METAINFO

    @property
    def metainfo(self) -> dict:
        """The data set's classes and palette."""
        return self.dataset.metainfo

    @property
    def data_root(self) -> str | None:
        """The data set's folder."""
        return self.dataset.data_root

    def get_data_info(self, index: int) -> dict:
        """Paths of a sample."""
        return self.dataset.get_data_info(index)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        """A packed sample, maybe with classes of another on it."""
        sample = self.dataset[index]
        if np.random.rand() >= self.prob:
            return sample
        return paste_classes(self.dataset[np.random.randint(len(self.dataset))], sample)


def paste_classes(other: dict, sample: dict) -> dict:
    """`sample` with half of the classes of `other`, rounded up, on it; both packed. Changes `sample`."""
    if other['inputs'].shape != sample['inputs'].shape:
        raise DatasetError(
            f'classes are pasted between images of one size, not {tuple(other["inputs"].shape)} and '
            f'{tuple(sample["inputs"].shape)}: crop and pad all to one size in the pipeline'
        )
    labels = other['data_samples'].gt_sem_seg.data  # 1 H W
    mask = torch.isin(labels, _half_of_classes(labels))
    sample['inputs'] = torch.where(mask, other['inputs'], sample['inputs'])
    target = sample['data_samples'].gt_sem_seg
    target.data = torch.where(mask, labels, target.data)
    return sample


def _half_of_classes(labels: Tensor) -> Tensor:
    classes = labels[labels != IGNORE].unique()
    chosen = np.random.permutation(len(classes))[: (len(classes) + 1) // 2]
    return classes[torch.from_numpy(chosen)]
