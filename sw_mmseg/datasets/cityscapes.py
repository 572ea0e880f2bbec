"""Cityscapes as it unpacks: `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `gtFine/SPLIT/CITY/*_gtFine_labelIds.png`.

mmseg's own `CityscapesDataset` needs converted `labelTrainIds` files; this one reads the files of the download, and the
converted ones when told so.
"""

import os.path as osp

from mmseg.registry import DATASETS

from .base import LabelledScenes

__all__ = ['SUFFIXES', 'RawCityscapesDataset']

SUFFIXES = {'raw': '_gtFine_labelIds.png', 'train': '_gtFine_labelTrainIds.png'}
SPLITS = ('train', 'val', 'test')


@DATASETS.register_module()
class RawCityscapesDataset(LabelledScenes):
    """Cityscapes, or any data set in its layout.

    Args:
        data_root: the folder that holds `leftImg8bit` and `gtFine`.
        split: 'train', 'val' or 'test' (whose labels are blank).
        label_ids: 'raw' reads `*_gtFine_labelIds.png`, 'train' reads `*_gtFine_labelTrainIds.png`.
        arguments: of mmseg's `BaseSegDataset`.
    """

    LAYOUT = (
        'Cityscapes must look like this: DATA_ROOT/leftImg8bit/train/CITY/CITY_000000_000019_leftImg8bit.png and '
        'DATA_ROOT/gtFine/train/CITY/CITY_000000_000019_gtFine_labelIds.png, and the same for val (data/cityscapes by '
        'default). Both archives, leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, are at '
        'https://www.cityscapes-dataset.com/downloads/ after a free registration; this unpacks and counts them: python '
        'tools/dataset_converters/cityscapes.py leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip. data/README.md '
        'has more.'
    )

    def __init__(self, data_root: str, split: str = 'train', label_ids: str = 'raw', **arguments) -> None:
        if split not in SPLITS:
            raise ValueError(f'split={split!r}; valid are {", ".join(SPLITS)}')
        prefix = dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}')
        arguments.setdefault('data_prefix', prefix)
        arguments.setdefault('img_suffix', '_leftImg8bit.png')
        arguments.setdefault('seg_map_suffix', SUFFIXES.get(label_ids, SUFFIXES['raw']))
        super().__init__(label_ids=label_ids, data_root=data_root, **arguments)

    def missing_label(self, path: str) -> str:
        """Points to the other kind of label files where those are there."""
        for ids, suffix in SUFFIXES.items():
            if ids != self.label_ids and osp.isfile(path.replace(SUFFIXES[self.label_ids], suffix)):
                return f'Files *{suffix} are there: read them with label_ids={ids!r}.'
        return self.way_out()
