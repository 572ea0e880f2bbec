"""CIFAR-10 and CIFAR-100 as torchvision and mmpretrain lay them out: the python batches, unpacked in one folder.

Read by torchvision, which checks the files before it unpickles them; nothing is downloaded here.
"""

from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from .errors import DatasetError

__all__ = ['CIFAR']

FOLDERS = {'CIFAR10': 'cifar-10-batches-py', 'CIFAR100': 'cifar-100-python'}
SPLITS = ('train', 'test')


@DATASETS.register_module()
class CIFAR(BaseDataset):
    """Samples with `img` (32, 32, 3) uint8 RGB and `gt_label`.

    Args:
        name: 'CIFAR10' or 'CIFAR100'.
        data_root: the folder that holds `cifar-10-batches-py` or `cifar-100-python`.
        split: 'train' (50,000) or 'test' (10,000).
        arguments: of mmengine's `BaseDataset`, such as `pipeline`.
    """

    def __init__(self, name: str, data_root: str, split: str = 'train', **arguments) -> None:
        if name not in FOLDERS or split not in SPLITS:
            raise ValueError(f'name={name!r}, split={split!r}; valid are {", ".join(FOLDERS)} and {", ".join(SPLITS)}')
        self.name, self.split = name, split
        super().__init__(data_root=data_root, **arguments)

    def load_data_list(self) -> list[dict]:
        """Raises `DatasetError` where the batches are missing or damaged."""
        from torchvision import datasets

        try:
            data = getattr(datasets, self.name)(self.data_root, train=self.split == 'train', download=False)
        except RuntimeError as error:
            folder = Path(self.data_root) / FOLDERS[self.name]
            raise DatasetError(
                f'{self.name}: {folder} is {"damaged" if folder.is_dir() else "missing"}. '
                f'Unpack the python version from https://www.cs.toronto.edu/~kriz/cifar.html into {self.data_root}, or '
                f'let torchvision do it: python -c "from torchvision.datasets import {self.name}; '
                f"{self.name}('{self.data_root}', download=True)\". To train without a download, use the digits "
                'configs.'
            ) from error
        self._metainfo.setdefault('classes', tuple(data.classes))
        return [dict(img=image, gt_label=int(label)) for image, label in zip(data.data, data.targets)]
