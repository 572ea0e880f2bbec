"""Looks at a data set before any training, so that what is wrong with it is said at once and not after hours."""

import os.path as osp
from collections.abc import Iterable

import numpy as np
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from .check_coco import check_coco, coco_datasets
from .class_mix import ClassMix
from .class_table import ClassTable
from .domain_pair import DomainPair
from .errors import DatasetError
from .label_file import read_label
from .label_kinds import LabelKinds, count_label
from .labelled_sets import LabelledSets
from .loading import LoadImage, LoadLabels
from .positions import Positioned

__all__ = ['check_dataset']


def check_dataset(dataset: dict | Dataset, decode: int | None = 32) -> None:
    """Raises one `DatasetError` that names what is wrong and the way out; returns nothing where all is well.

    Building a data set finds missing folders. This finds pictures without a label file, and, in `decode` pairs spread
    evenly over the data set (None: in all of them), broken files, unknown ids, and sizes that differ between picture
    and labels unless the pipeline resizes them. Of a data set from elsewhere, only what is known is checked.
    """
    if isinstance(dataset, dict):
        instances = list(coco_datasets(dataset))
        if instances:
            for part in instances:
                check_coco(part, decode)
            return
        dataset = _build(dataset)
    if isinstance(dataset, DomainPair):
        check_dataset(dataset.source, decode)
        check_dataset(dataset.target, decode)
        _refuse_labels(dataset.target)
        return
    while isinstance(dataset, (Positioned, ClassMix)):
        dataset = dataset.dataset
    if isinstance(dataset, LabelledSets):
        for part in dataset.datasets:
            check_dataset(part, decode)
        return
    if not isinstance(dataset, BaseDataset):
        return
    dataset.full_init()
    if len(dataset) == 0:
        raise DatasetError(f'{type(dataset).__name__} in {dataset.data_root} holds no picture')
    _check_files(dataset)
    _check_samples(dataset, range(len(dataset)) if decode is None else _spread(len(dataset), decode))


def _check_samples(dataset: BaseDataset, chosen: Iterable[int]) -> None:
    """Images and label files are read as the pipeline reads them; label files of a class table must be of one kind."""
    transforms = getattr(dataset.pipeline, 'transforms', [])
    images, labels = (next((t for t in transforms if isinstance(t, kind)), kind()) for kind in (LoadImage, LoadLabels))
    kinds = LabelKinds()
    for index in chosen:
        sample = dataset.get_data_info(int(index))
        if 'img_path' not in sample:
            return
        images(sample)
        if 'label_ids' in sample:
            labels(sample)
            if isinstance(sample['label_ids'], ClassTable):
                kinds.add(sample['seg_map_path'], count_label(read_label(sample['seg_map_path'])))
    if kinds.files:
        kinds.decide(dataset.table.reads_colors, not dataset.table.reads_colors)


def _build(config: dict) -> Dataset:
    """Data sets from elsewhere, too, say which folder is missing."""
    try:
        return DATASETS.build(config)
    except FileNotFoundError as error:
        raise DatasetError(
            f'{config["type"]}: {error.filename or error} is missing. data/README.md shows how the '
            'folders must look; data_root in the config says where they are.'
        ) from error


def _spread(length: int, count: int) -> np.ndarray:
    """`count` indices from the first to the last."""
    return np.unique(np.linspace(0, length - 1, min(length, max(count, 1))).astype(int))


def _check_files(dataset: BaseDataset) -> None:
    """Every label file is there; pictures were listed from the disk."""
    lost = [
        path
        for path in (dataset.get_data_info(i).get('seg_map_path') for i in range(len(dataset)))
        if path and not osp.isfile(path)
    ]
    if lost:
        hint = dataset.missing_label(lost[0]) if hasattr(dataset, 'missing_label') else 'Unpack the labels again.'
        raise DatasetError(
            f'{type(dataset).__name__}: {len(lost)} of {len(dataset)} pictures have no label file, the first is '
            f'{lost[0]}.\n{hint}'
        )


def _refuse_labels(target: Dataset) -> None:
    transforms = getattr(getattr(target, 'pipeline', None), 'transforms', [])
    guilty = [type(t).__name__ for t in transforms if 'Label' in type(t).__name__ or 'Annotation' in type(t).__name__]
    if guilty:
        raise DatasetError(f"the target's pipeline loads labels ({', '.join(guilty)}); adaptation must not see any")
