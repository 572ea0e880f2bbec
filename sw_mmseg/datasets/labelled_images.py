"""A user's own labelled images: two plain folders, any tree below them, and a class table. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .class_parsing import parse_class_table
from .class_table import ClassTable
from .class_yaml import read_class_table
from .errors import DatasetError
from .image_pairs import find_pairs
from .label_frames import FRAMES
from .loading import with_this_reader

__all__ = ['LabelledImages', 'as_class_table', 'unmatched']


@DATASETS.register_module()
class LabelledImages(BaseSegDataset):
    """Images of one folder with the label files of another; both are matched by their paths, see `image_pairs`.

    Args:
        images, labels: the folders.
        classes: a class table: the path of a YAML file, or what such a file holds.
        image_suffix, label_suffix: ends of the names, found by themselves if not given.
        leave_out: names of images (path below `images`, without ending) that are not taken.
        hold_out: every `hold_out`-th image is kept apart, to test on; 0 for none.
        held_out: take those that are kept apart instead of all others.
        label_frame: what labels were drawn on, for images that EXIF turns: 'shown', the image as it is shown, or
            'stored', as its file holds it. None where sizes tell, or where no image is turned.
        pipeline: what is done with a pair; mmcv's reader in it becomes `LoadImage`.
        arguments: of mmseg's `BaseSegDataset`.
    """

    METAINFO: dict = {}

    def __init__(
        self,
        images: str,
        labels: str,
        classes: str | dict | ClassTable,
        image_suffix: str | None = None,
        label_suffix: str | None = None,
        leave_out: Sequence[str] = (),
        hold_out: int = 0,
        held_out: bool = False,
        label_frame: str | None = None,
        pipeline: Sequence[dict] = (),
        **arguments,
    ) -> None:
        taken = {'metainfo', 'data_prefix', 'data_root', 'img_suffix', 'seg_map_suffix'} & set(arguments)
        if taken:
            raise TypeError(f'LabelledImages takes `images`, `labels` and `classes` instead of {", ".join(taken)}')
        if hold_out < 0 or hold_out == 1 or (held_out and not hold_out):
            raise ValueError(f'hold_out={hold_out}: 0, or at least 2; and held_out=True needs it')
        if label_frame not in (None, *FRAMES):
            raise ValueError(f'label_frame={label_frame!r}; valid are {", ".join(FRAMES)}, None')
        self.label_frame = label_frame
        self.table = as_class_table(classes)
        self.images, self.labels, self.leave_out = images, labels, frozenset(leave_out)
        self.suffixes = image_suffix, label_suffix
        self.hold_out, self.held_out = hold_out, held_out
        self.METAINFO = self.meta_of({'classes': self.table})
        super().__init__(data_root=labels, metainfo=self.METAINFO, pipeline=with_this_reader(pipeline), **arguments)

    @staticmethod
    def meta_of(config: dict) -> dict:
        """Classes and palette of a data set by its config alone, without its folders."""
        table = as_class_table(config['classes'])
        return {'classes': table.names, 'palette': table.palette}

    def load_data_list(self) -> list[dict]:
        """Paths of all pairs. Raises `DatasetError` for an image without a label file that is not left out."""
        pairs = find_pairs(self.images, self.labels, *self.suffixes)
        lost = [name for name in pairs.without_label if name not in self.leave_out]
        if lost:
            raise DatasetError(unmatched(lost, self.images, self.labels, pairs.compared()))
        samples = [
            dict(img_path=image, seg_map_path=label, label_map=None, reduce_zero_label=False, seg_fields=[])
            for name, image, label in pairs.samples
            if name not in self.leave_out
        ]
        if self.hold_out:
            offset = self.hold_out // 2  # not the first, which is often unlike the others
            samples = [s for i, s in enumerate(samples) if (i % self.hold_out == offset) == self.held_out]
        if not samples:
            raise DatasetError(f'LabelledImages: no image of {self.images} is left')
        return samples

    def get_data_info(self, idx: int) -> dict:
        """mmseg's, with the class table and the frame, by which `LoadLabels` reads."""
        return {**super().get_data_info(idx), 'label_ids': self.table, 'label_frame': self.label_frame}


def as_class_table(classes: str | dict | ClassTable) -> ClassTable:
    """A table from a table, a YAML file or what one holds."""
    if isinstance(classes, ClassTable):
        return classes
    return read_class_table(classes) if isinstance(classes, str) else parse_class_table(classes)


def unmatched(names: Sequence[str], images: str, labels: str, compared: str) -> str:
    """The text of an error about images without a label file."""
    first = ', '.join(names[:3]) + (' ...' if len(names) > 3 else '')
    return f'{len(names)} images of {images} have no label file in {labels}: {first}. Compared were {compared}'
