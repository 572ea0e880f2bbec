"""A target set: a tree of pictures and nothing else. Labels beside them are never looked at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from os.path import splitext

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .errors import DatasetError
from .folder_files import PICTURES, foreign_files, list_folder, stem
from .labels import CLASSES, PALETTE
from .loading import with_this_reader

__all__ = ['UnlabelledImages']

IDS = ('_labelIds.png', '_labelTrainIds.png', '_instanceIds.png')  # of Cityscapes, as what follows
COLOURS, PHOTOGRAPH = '_color.png', '_leftImg8bit.png'


@DATASETS.register_module()
class UnlabelledImages(BaseSegDataset):
    """All pictures in a folder and the folders in it, in the order of their paths.

    Args:
        data_root: the folder.
        img_dir: a folder inside it, '' for all of it.
        img_suffix: one or several endings of the files to take, in any case.
        leave_out: pictures that are not taken: paths below the folder, with the file's ending or without it.
        pipeline: what is done with a picture; mmcv's reader in it becomes `LoadImage`.
        arguments: of mmseg's `BaseSegDataset`. `classes` in `metainfo` are only names for drawing predictions.
    """

    METAINFO = dict(classes=CLASSES, palette=PALETTE)

    def __init__(
        self,
        data_root: str,
        img_dir: str = '',
        img_suffix: str | tuple[str, ...] = PICTURES,
        leave_out: Sequence[str] = (),
        pipeline: Sequence[dict] = (),
        **arguments,
    ) -> None:
        if 'data_prefix' in arguments or 'seg_map_suffix' in arguments:
            raise TypeError('UnlabelledImages has no labels and takes `img_dir` instead of `data_prefix`')
        self.leave_out = frozenset(leave_out)
        suffixes = tuple(s.lower() for s in ((img_suffix,) if isinstance(img_suffix, str) else img_suffix))
        super().__init__(
            data_root=data_root,
            data_prefix=dict(img_path=img_dir),
            img_suffix=suffixes,
            pipeline=with_this_reader(pipeline),
            **arguments,
        )

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """There are no labels that other classes would be made of."""

    def load_data_list(self) -> list[dict]:
        """Paths of all pictures. Raises `DatasetError` where there are none, or where a file is an annotation."""
        folder = self.data_prefix['img_path']
        try:
            endings = tuple(splitext(suffix)[1] or suffix for suffix in self.img_suffix)
            listing = list_folder(folder, endings, 'pictures to adapt to')
        except DatasetError as error:
            raise DatasetError(f'UnlabelledImages: {error}. Give its place with data_root and img_dir') from None
        paths = sorted(
            path
            for name, path in listing.files.items()
            if name.lower().endswith(self.img_suffix) and not {name, stem(name)} & self.leave_out
        )
        if not paths:
            raise DatasetError(
                f'UnlabelledImages: no file in {folder} ends with {" or ".join(self.img_suffix)}'
                f'{foreign_files(listing.left_out)}'
            )
        present = set(listing.files.values())
        annotation = next((path for path in paths if _is_annotation(path, present)), None)
        if annotation:
            raise DatasetError(
                f'UnlabelledImages: {annotation} is an annotation. Give the folder of the pictures alone, of '
                'Cityscapes leftImg8bit/train (in a config img_dir="leftImg8bit/train", or '
                'img_suffix="_leftImg8bit.png")'
            )
        return [dict(img_path=path, reduce_zero_label=False, seg_fields=[]) for path in paths]


def _is_annotation(path: str, present: Collection[str]) -> bool:
    """Whether a file is one of Cityscapes' annotations: by its end, or, since cameras with a depth sensor call their
    photographs NAME_color.png too, by what lies beside it."""
    if path.endswith(IDS):
        return True
    beginning = path.removesuffix(COLOURS)
    if beginning == path:
        return False
    return beginning.endswith(('_gtFine', '_gtCoarse')) or any(
        f'{beginning}{ending}' in present for ending in (*IDS, PHOTOGRAPH)
    )
