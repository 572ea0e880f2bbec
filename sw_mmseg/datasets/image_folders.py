"""Pictures in one folder a class, or in one folder with a list: ImageNet as torchvision and as mmpretrain lay it out.

    DATA_ROOT/train/n01440764/n01440764_10026.JPEG    both
    DATA_ROOT/val/n01440764/ILSVRC2012_val_....JPEG   torchvision: sorted into folders
    DATA_ROOT/val/ILSVRC2012_val_....JPEG             mmpretrain: as unpacked, with DATA_ROOT/meta/val.txt, lines of
                                                      "ILSVRC2012_val_00000001.JPEG 65"

Classes are numbered in the order of their folders' names in `train`, whichever split is read, so that a class without
pictures in another split shifts no number. Hidden folders and files are no classes and no pictures.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from .errors import DatasetError
from .folder_files import CLUTTER

__all__ = ['ImageFolders']

SUFFIXES = ('.jpeg', '.jpg', '.png', '.bmp', '.webp', '.ppm')


@DATASETS.register_module()
class ImageFolders(BaseDataset):
    """Samples with `img_path` and `gt_label`.

    Args:
        data_root: the folder above the splits.
        split: name of the folder to read, such as 'train' or 'val'.
        num_classes: how many classes there have to be; None takes what is found.
        classes_from: the split whose folders number the classes, where it is there and has folders; `classes` in
            `metainfo` goes before it.
        arguments: of mmengine's `BaseDataset`, such as `pipeline`.
    """

    def __init__(
        self, data_root: str, split: str, num_classes: int | None = None, classes_from: str = 'train', **arguments
    ) -> None:
        self.split, self.num_classes, self.classes_from = split, num_classes, classes_from
        super().__init__(data_root=data_root, **arguments)

    def load_data_list(self) -> list[dict]:
        """Raises `DatasetError` where the folder, its pictures or its list are missing or have another class count."""
        folder = Path(self.data_root) / self.split
        if not folder.is_dir():
            raise DatasetError(f'folder {folder} is missing.\n{self._way_out()}')
        listing = Path(self.data_root) / 'meta' / f'{self.split}.txt'
        folders = _class_folders(folder)
        names = self._class_names(folders) if folders else []
        samples = _from_folders(folder, names) if names else _from_list(folder, listing)
        if not samples:
            raise DatasetError(
                f'{folder} holds neither folders of pictures, one a class, nor pictures that {listing} '
                f'lists.\n{self._way_out()}'
            )
        count = len(names) if names else 1 + max(sample['gt_label'] for sample in samples)
        if self.num_classes not in (None, count):
            raise DatasetError(f'{folder} has {count} classes, not {self.num_classes}.\n{self._way_out()}')
        self._metainfo.setdefault('classes', tuple(names or map(str, range(count))))
        return samples

    def _class_names(self, folders: list[str]) -> list[str]:
        """All classes in the order of their numbers. Raises `DatasetError` for a folder that is none of them."""
        known = list(self._metainfo.get('classes') or ())
        place = Path(self.data_root) / self.classes_from
        known = known or _class_folders(place) or folders
        foreign = [name for name in folders if name not in known]
        if foreign:
            source = "metainfo's classes" if self._metainfo.get('classes') else str(place)
            raise DatasetError(
                f'{Path(self.data_root) / self.split} has folders of {len(foreign)} classes that '
                f'{source} has not, such as {foreign[0]!r}: numbers would differ. Put a folder of '
                f'every class into {place}, an empty one where there is no picture, or give '
                'metainfo=dict(classes=...)'
            )
        return known

    def _way_out(self) -> str:
        root = self.data_root
        return (
            f'ImageNet must look like this: {root}/train/n01440764/*.JPEG ..., and {root}/val likewise, or '
            f'{root}/val/*.JPEG with {root}/meta/val.txt ("NAME LABEL" a line). It is at '
            'https://image-net.org/download-images after registration. To train without a download, use the digits '
            'configs.'
        )


def _class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder; without hidden ones and those that programs leave behind."""
    if not folder.is_dir():
        return []
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith('.') and entry.name.lower() not in CLUTTER
    )


def _from_folders(folder: Path, names: list[str]) -> list[dict]:
    samples = []
    for label, name in enumerate(names):
        entries = sorted(os.scandir(folder / name), key=lambda entry: entry.name) if (folder / name).is_dir() else []
        samples += [
            dict(img_path=entry.path, gt_label=label)
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith('.')
        ]
    return samples


def _from_list(folder: Path, listing: Path) -> list[dict]:
    if not listing.is_file():
        return []
    samples = []
    for number, line in enumerate(listing.read_text().splitlines(), 1):
        name, _, label = line.strip().rpartition(' ')
        if not line.strip():
            continue
        if not name or not label.isdigit():
            raise DatasetError(f'{listing}:{number} must read "NAME LABEL", not {line!r}')
        samples.append(dict(img_path=str(folder / name), gt_label=int(label)))
    missing = next((sample['img_path'] for sample in samples if not os.path.isfile(sample['img_path'])), None)
    if missing:
        raise DatasetError(f'{listing} names {missing}, which is missing')
    return samples
