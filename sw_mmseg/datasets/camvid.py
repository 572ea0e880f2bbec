"""CamVid: photographs of streets by day and at dusk; and labelled scenes of 19 classes, read with CamVid's eleven.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video", 2009, in the 11-class form of the SegNet tutorial, with
images and labels in two folders.
"""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmseg.registry import DATASETS

from .base import LabelledScenes
from .camvid_labels import CAMVID_CLASSES, CAMVID_PALETTE, cityscapes_to_camvid
from .errors import DatasetError
from .gta5 import GTA5Dataset
from .unlabelled import UnlabelledImages

__all__ = ['CAMVID_DAY', 'CAMVID_DUSK', 'CamVidDataset', 'GTA5AsCamVid', 'UnlabelledCamVid']

SPLITS = ('train', 'val', 'test')
CAMVID_DAY = ('0006R0', '0016E5', 'Seq05VD')  # beginnings of names: the sequences by day
CAMVID_DUSK = ('0001TP',)
LAYOUT = (
    'CamVid must look like this: DATA_ROOT/images/train/NAME.jpg (or .png) and DATA_ROOT/labels/train/NAME.png with '
    'ids 0 to 10 and 11 for void, and the same for val and test (data/camvid by default). data/README.md says where it '
    'comes from and what its licence allows.'
)


@DATASETS.register_module()
class CamVidDataset(LabelledScenes):
    """CamVid with its eleven classes, or any data set in its layout.

    Args:
        data_root: the folder that holds `images` and `labels`.
        split: 'train' (367 photographs), 'val' (101) or 'test' (233).
        sequences: beginnings of the names to take, such as `CAMVID_DAY`; None takes all.
        arguments: of mmseg's `BaseSegDataset`.
    """

    METAINFO = dict(classes=CAMVID_CLASSES, palette=CAMVID_PALETTE)
    LABEL_IDS = ('camvid',)
    LAYOUT = LAYOUT

    def __init__(
        self, data_root: str, split: str = 'train', sequences: Sequence[str] | None = None, **arguments
    ) -> None:
        _check_split(split)
        self.sequences = None if sequences is None else tuple(sequences)
        arguments.setdefault('data_prefix', dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'))
        arguments.setdefault('img_suffix', ('.jpg', '.png'))
        super().__init__(label_ids='camvid', data_root=data_root, **arguments)

    def load_data_list(self) -> list[dict]:
        """All photographs of the sequences, in the order of their names."""
        samples = _of_sequences(super().load_data_list(), self.sequences, self.data_prefix['img_path'])
        for sample in samples:
            stem = osp.splitext(osp.relpath(sample['img_path'], self.data_prefix['img_path']))[0]
            sample['seg_map_path'] = osp.join(self.data_prefix['seg_map_path'], stem + self.seg_map_suffix)
        return samples


@DATASETS.register_module()
class UnlabelledCamVid(UnlabelledImages):
    """Photographs of CamVid without labels, as a target.

    Args:
        data_root: the folder that holds `images`.
        split: 'train', 'val' or 'test'.
        sequences: beginnings of the names to take; None takes all.
        arguments: of `UnlabelledImages`.
    """

    METAINFO = dict(classes=CAMVID_CLASSES, palette=CAMVID_PALETTE)

    def __init__(
        self, data_root: str, split: str = 'train', sequences: Sequence[str] | None = None, **arguments
    ) -> None:
        _check_split(split)
        self.sequences = None if sequences is None else tuple(sequences)
        super().__init__(data_root=data_root, img_dir=f'images/{split}', **arguments)

    def load_data_list(self) -> list[dict]:
        """All photographs of the sequences, in the order of their names."""
        return _of_sequences(super().load_data_list(), self.sequences, self.data_prefix['img_path'])


@DATASETS.register_module()
class GTA5AsCamVid(GTA5Dataset):
    """GTA5, or streets, with the eleven classes of CamVid: what trains for CamVid.

    Args:
        data_root, split, label_ids, arguments: of `GTA5Dataset`.
    """

    STREETS_OPTION = ' --size 480x360 --source 1200 --target-train 1 --target-val 1'

    def __init__(self, data_root: str, split: str | None = None, label_ids: str = 'raw', **arguments) -> None:
        if 'metainfo' in arguments:
            raise TypeError('GTA5AsCamVid has the classes of CamVid; it takes no `metainfo`')
        super().__init__(data_root, split, label_ids, **arguments)
        self._metainfo.update(classes=CAMVID_CLASSES, palette=CAMVID_PALETTE)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """mmseg's map from the 19 classes of the files to those that train."""
        return cityscapes_to_camvid()


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f'split={split!r}; valid are {", ".join(SPLITS)}')


def _of_sequences(samples: list[dict], sequences: tuple[str, ...] | None, folder: str) -> list[dict]:
    if sequences is None:
        return samples
    chosen = [sample for sample in samples if osp.basename(sample['img_path']).startswith(sequences)]
    if not chosen:
        raise DatasetError(f'no name in {folder} begins with {" or ".join(sequences)}. Give other sequences, or none')
    return chosen
