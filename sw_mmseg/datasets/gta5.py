"""GTA5 as it unpacks: `images/00001.png` and `labels/00001.png`, paletted, with raw ids 0 to 34."""

import os.path as osp

import numpy as np
from mmseg.registry import DATASETS

from .base import LabelledScenes
from .errors import DatasetError

SUBSETS = ('train', 'val', 'test')


@DATASETS.register_module()
class GTA5Dataset(LabelledScenes):
    """GTA5 (24,966 pictures), or any data set in its layout.

    Args:
        data_root: the folder that holds `images` and `labels`.
        split: the official `split.mat`, or a text file with a name or number a line, relative to `data_root`; by
            default all pictures, as AdaptSegNet trains.
        subset: 'train', 'val' or 'test' of `split.mat`.
        label_ids: 'raw', or 'train' where the label files were converted.
        arguments: of mmseg's `BaseSegDataset`.
    """

    LAYOUT = (
        'GTA5 must look like this: DATA_ROOT/images/00001.png ... and DATA_ROOT/labels/00001.png ... (data/gta5 by '
        'default). Its ten parts of images and labels are at https://download.visinf.tu-darmstadt.de/data/from_games/; '
        'unpack them all into that folder. data/README.md has more. To train without a download, use the streets '
        'configs.'
    )

    def __init__(
        self, data_root: str, split: str | None = None, subset: str = 'train', label_ids: str = 'raw', **arguments
    ) -> None:
        if subset not in SUBSETS:
            raise ValueError(f'subset={subset!r}; valid are {", ".join(SUBSETS)}')
        self.split, self.subset = split, subset
        arguments.setdefault('data_prefix', dict(img_path='images', seg_map_path='labels'))
        arguments.setdefault('img_suffix', '.png')
        super().__init__(label_ids=label_ids, data_root=data_root, **arguments)

    def load_data_list(self) -> list[dict]:
        """All pictures, or those that `split` names, in the order of their names."""
        samples = super().load_data_list()
        if self.split is None:
            return samples
        wanted = set(_names(osp.join(self.data_root, self.split), self.subset))
        chosen = [sample for sample in samples if osp.basename(sample['img_path']) in wanted]
        if len(chosen) < len(wanted):
            lost = sorted(wanted - {osp.basename(sample['img_path']) for sample in chosen})
            raise DatasetError(
                f'{self.split} names {len(wanted)} pictures and {len(lost)} of them are not in '
                f'{self.data_prefix["img_path"]}, the first {lost[0]}.\n{self.way_out()}'
            )
        return chosen


def _names(path: str, subset: str) -> list[str]:
    """File names that a split file lists."""
    if not osp.isfile(path):
        raise DatasetError(f'split file {path} is missing; leave `split` out to use all pictures')
    if path.endswith('.mat'):
        try:
            from scipy.io import loadmat
        except ImportError:
            raise DatasetError(f'reading {path} needs scipy: pip install scipy, or give a text file') from None
        numbers = loadmat(path)[f'{subset}Ids'].ravel()
    else:
        with open(path, encoding='utf-8') as file:
            numbers = [line.strip().removesuffix('.png') for line in file if line.strip()]
    return [f'{number}.png' if isinstance(number, str) else f'{int(np.squeeze(number)):05d}.png' for number in numbers]
