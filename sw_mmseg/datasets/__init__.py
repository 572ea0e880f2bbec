"""Data: the label table, GTA5, Cityscapes, ADE20K, any folder of pictures, the domain pair, and the streets generator.

`labels` and `camvid_labels` have the facts, `loading` reads files, `blur`, `noise` and `class_mix` disturb images,
`gta5`, `cityscapes`, `camvid`, `ade20k` and `unlabelled` know the folders, `labelled_images` takes any (by
`image_pairs`, `class_table` and `label_pixels`; `label_scan` looks at them first), `positions` and `sampler` make one
reproducible stream of them, `domain_pair` joins two, `check` finds what is wrong before training.
"""

from .ade20k import FoldersADE20K
from .blur import RandomBlur
from .camvid import CAMVID_DAY, CAMVID_DUSK, CamVidDataset, GTA5AsCamVid, UnlabelledCamVid
from .camvid_labels import CAMVID_CLASSES, CAMVID_PALETTE
from .check import check_dataset
from .cifar import CIFAR
from .cityscapes import RawCityscapesDataset
from .class_mix import ClassMix
from .class_table import ClassTable, parse_class_table, read_class_table, table_of_ids, write_class_table
from .colour_statistics import ColourStatistics
from .digits import Digits
from .domain_pair import DomainPair
from .errors import DatasetError
from .fourier import FourierAmplitude
from .gta5 import GTA5Dataset
from .image_folders import ImageFolders
from .labelled_images import LabelledImages
from .labels import CLASSES, IGNORE, LABELS, NUM_CLASSES, PALETTE
from .loading import LoadImage, LoadLabels
from .noise import RandomNoise
from .positions import Positioned
from .rare_class import RareClassSampling
from .sampler import PositionSampler
from .street_crops import StreetCrops
from .unlabelled import UnlabelledImages

__all__ = [
    'CAMVID_CLASSES',
    'CAMVID_DAY',
    'CAMVID_DUSK',
    'CAMVID_PALETTE',
    'CIFAR',
    'CLASSES',
    'IGNORE',
    'LABELS',
    'NUM_CLASSES',
    'PALETTE',
    'CamVidDataset',
    'ClassMix',
    'ClassTable',
    'ColourStatistics',
    'DatasetError',
    'Digits',
    'DomainPair',
    'FoldersADE20K',
    'FourierAmplitude',
    'GTA5AsCamVid',
    'GTA5Dataset',
    'ImageFolders',
    'LabelledImages',
    'LoadImage',
    'LoadLabels',
    'PositionSampler',
    'Positioned',
    'RandomBlur',
    'RandomNoise',
    'RareClassSampling',
    'RawCityscapesDataset',
    'StreetCrops',
    'UnlabelledCamVid',
    'UnlabelledImages',
    'check_dataset',
    'parse_class_table',
    'read_class_table',
    'table_of_ids',
    'write_class_table',
]
