"""GTA5 as it unpacks: `images/00001.png` and `labels/00001.png`, paletted, with raw ids 0 to 34."""

import os.path as osp

from mmseg.registry import DATASETS

from .base import LabelledScenes
from .errors import DatasetError

__all__ = ['GTA5Dataset']

_SPLIT_LISTS = (
    "python -c \"from scipy.io import loadmat; m = loadmat('split.mat'); "
    "[open(f'{s}.txt', 'w').writelines(f'{int(i):05d}\\n' for i in m[f'{s}Ids'].ravel()) "
    "for s in ('train', 'val', 'test')]\""
)


@DATASETS.register_module()
class GTA5Dataset(LabelledScenes):
    """GTA5 (24,966 pictures), or any data set in its layout.

    Args:
        data_root: the folder that holds `images` and `labels`.
        split: a text file with a name or number a line, relative to `data_root`; by default all pictures, as for
            AdaptSegNet.
        label_ids: 'raw', or 'train' where the label files were converted.
        arguments: of mmseg's `BaseSegDataset`.
    """

    LAYOUT = (
        'GTA5 must look like this: DATA_ROOT/images/00001.png ... and DATA_ROOT/labels/00001.png ... (data/gta5 by '
        'default). Its ten parts of images and labels are at https://download.visinf.tu-darmstadt.de/data/from_games/; '
        'unpack them all into that folder. data/README.md has more. To train without a download, use the streets '
        'configs.'
    )

    def __init__(self, data_root: str, split: str | None = None, label_ids: str = 'raw', **arguments) -> None:
        self.split = split
        arguments.setdefault('data_prefix', dict(img_path='images', seg_map_path='labels'))
        arguments.setdefault('img_suffix', '.png')
        super().__init__(label_ids=label_ids, data_root=data_root, **arguments)

    def load_data_list(self) -> list[dict]:
        """All pictures, or those that `split` names, in the order of their names."""
        samples = super().load_data_list()
        if self.split is None:
            return samples
        names = set(_names(osp.join(self.data_root, self.split)))
        chosen = [sample for sample in samples if osp.basename(sample['img_path']) in names]
        if len(chosen) < len(names):
            lost = sorted(names - {osp.basename(sample['img_path']) for sample in chosen})
            raise DatasetError(
                f'{self.split} names {len(names)} pictures and {len(lost)} of them are not in '
                f'{self.data_prefix["img_path"]}, the first {lost[0]}.\n{self.way_out()}'
            )
        return chosen


def _names(path: str) -> list[str]:
    """File names that a list names."""
    if not osp.isfile(path):
        raise DatasetError(f'split file {path} is missing; leave `split` out to use all pictures')
    if path.endswith('.mat'):
        raise DatasetError(
            f'{path} is not a text file. This writes train.txt, val.txt and test.txt beside it: {_SPLIT_LISTS}'
        )
    with open(path, encoding='utf-8') as file:
        return [f'{line.strip().removesuffix(".png")}.png' for line in file if line.strip()]
