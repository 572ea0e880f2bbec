"""ADE20K as ADEChallengeData2016.zip unpacks: `images/SPLIT/*.jpg` and `annotations/SPLIT/*.png` with ids 0 to 150.

The layout, classes and colours are those of mmseg's `ADE20KDataset`, which reads the same folders; this one says what
is missing and how to get it, and its files are read by `LoadLabels`, which takes 0 (other) for ignored.
"""

from mmseg.datasets import ADE20KDataset
from mmseg.registry import DATASETS

from .base import LabelledScenes

__all__ = ['COUNTS', 'FoldersADE20K']

SPLITS = ('training', 'validation')
COUNTS = {'training': 20_210, 'validation': 2_000}


@DATASETS.register_module()
class FoldersADE20K(LabelledScenes):
    """ADE20K of the 2016 challenge, 150 classes, or any data set in its layout.

    Args:
        data_root: the folder that holds `images` and `annotations`.
        split: 'training' (20,210 pictures) or 'validation' (2,000).
        arguments: of mmseg's `BaseSegDataset`.
    """

    METAINFO = {**ADE20KDataset.METAINFO, 'classes': tuple(name.strip() for name in ADE20KDataset.METAINFO['classes'])}
    LABEL_IDS = ('ade20k',)
    LAYOUT = (
        'ADE20K must look like this: DATA_ROOT/images/training/ADE_train_00000001.jpg and '
        'DATA_ROOT/annotations/training/ADE_train_00000001.png, and the same for validation '
        '(data/ade/ADEChallengeData2016 by default). ADEChallengeData2016.zip is at '
        'http://data.csail.mit.edu/places/ADEchallenge/; this unpacks and counts it: '
        'python tools/dataset_converters/ade20k.py ADEChallengeData2016.zip. data/README.md has more.'
    )
    STREETS_OPTION = ' --ade20k'

    def __init__(self, data_root: str, split: str = 'training', **arguments) -> None:
        if split not in SPLITS:
            raise ValueError(f'split={split!r}; valid are {", ".join(SPLITS)}')
        arguments.setdefault('data_prefix', dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}'))
        arguments.setdefault('img_suffix', '.jpg')
        super().__init__(label_ids='ade20k', data_root=data_root, **arguments)
