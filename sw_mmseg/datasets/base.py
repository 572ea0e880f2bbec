"""What the data sets of this package share: label files of a known kind, and errors that say how the folders look."""

import os.path as osp
from collections.abc import Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset

from .errors import DatasetError
from .labels import CLASSES, PALETTE
from .loading import with_this_reader
from .streets.domains import DEFAULT, VARIANTS

__all__ = ['LabelledScenes']


class LabelledScenes(BaseSegDataset):
    """A labelled data set, of the 19 classes unless a subclass has others; subclasses say where the files are.

    `label_ids` is what the label files hold: 'raw' ids 0 to 34, 'train' ids 0 to 18 and 255, 'ade20k' ids 0 to 150. It
    travels with every sample to `LoadLabels`.
    """

    METAINFO = dict(classes=CLASSES, palette=PALETTE)
    LABEL_IDS: tuple[str, ...] = ('raw', 'train')  # the kinds of label files there are of this data set
    LAYOUT = ''  # how the folders must look and where to get them: the end of every error
    STREETS_OPTION = ''  # of the tool that makes streets in this layout

    def __init__(self, label_ids: str = 'raw', pipeline: Sequence[dict] = (), **arguments) -> None:
        if label_ids not in self.LABEL_IDS:
            raise ValueError(f'label_ids={label_ids!r}; valid are {", ".join(self.LABEL_IDS)}')
        self.label_ids = label_ids
        super().__init__(pipeline=with_this_reader(pipeline), **arguments)  # which knows its arguments by name

    def load_data_list(self) -> list[dict]:
        """Paths of all pictures and labels. Raises `DatasetError` where a folder is missing or holds no picture."""
        folders = [path for path in (self.data_root, *self.data_prefix.values()) if path]
        for folder in folders:
            if not osp.isdir(folder):
                raise DatasetError(f'{type(self).__name__}: folder {folder} is missing.\n{self.way_out()}')
        samples = super().load_data_list()
        if not samples:
            image_folder = self.data_prefix['img_path']
            raise DatasetError(
                f'{type(self).__name__}: no *{self.img_suffix} in {image_folder} or its folders.\n{self.way_out()}'
            )
        for sample in samples:
            sample['label_ids'] = self.label_ids
        return samples

    def missing_label(self, path: str) -> str:
        """Why a label file may be missing, for an error's end."""
        return self.way_out()

    def way_out(self) -> str:
        """How the folders must look and where they come from; streets are made, not downloaded."""
        parts = Path(self.data_root).parts
        place = next((number for number, part in enumerate(parts, 1) if part in ('streets', 'streets_camvid')), None)
        if place is None:
            return self.LAYOUT
        out, variant = Path(*parts[:place]), ''.join(parts[place : place + 1])
        option = f' --variant {variant}' if variant in VARIANTS and variant != DEFAULT else ''
        return f'Make the streets with: python tools/dataset_converters/streets.py {out}{option}{self.STREETS_OPTION}'
