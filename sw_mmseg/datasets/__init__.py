"""Data: the label table, GTA5, Cityscapes, ADE20K, any folder of pictures, the domain pair, and the streets generator.

`image_file` and `label_file` are the one reader of images and of labels (`file_head` and `raster_file` know what a
file holds), `loading` makes transforms of them; `labels` and `camvid_labels` have the facts; `blur`, `noise` and
`class_mix` disturb images; `gta5`, `cityscapes`, `camvid`, `ade20k` and `unlabelled` know the folders.
`labelled_images` takes any folders (files by `folder_files`, pairs by `image_pairs`, classes by `class_table`),
`polygons` draws outlines as label files, and `label_scan` looks at all of them first. `positions` and `sampler` make
one reproducible stream of them, `labelled_sets` mixes several, `domain_pair` joins two, `check` finds what is wrong
before training.
"""

from .ade20k import FoldersADE20K
from .blur import RandomBlur
from .camvid import CAMVID_DAY, CAMVID_DUSK, CamVidDataset, GTA5AsCamVid, UnlabelledCamVid
from .camvid_labels import CAMVID_CLASSES, CAMVID_PALETTE
from .check import check_dataset
from .cifar import CIFAR
from .cityscapes import RawCityscapesDataset
from .class_mix import ClassMix
from .class_parsing import parse_class_table, table_of_ids
from .class_table import ClassTable
from .class_yaml import read_class_table, write_class_table
from .colour_statistics import ColourStatistics
from .digits import Digits
from .domain_pair import DomainPair
from .errors import DatasetError
from .fourier import FourierAmplitude
from .gta5 import GTA5Dataset
from .image_file import read_image
from .image_folders import ImageFolders
from .label_file import read_label
from .labelled_images import LabelledImages
from .labelled_sets import LabelledSets
from .labels import CLASSES, IGNORE, LABELS, NUM_CLASSES, PALETTE
from .loading import LoadImage, LoadLabels, with_this_reader
from .noise import RandomNoise
from .positions import Positioned
from .rare_class import RareClassSampling
from .sampler import PositionSampler
from .street_crops import StreetCrops
from .target_alone import TargetAlone
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
    'LabelledSets',
    'LoadImage',
    'LoadLabels',
    'PositionSampler',
    'Positioned',
    'RandomBlur',
    'RandomNoise',
    'RareClassSampling',
    'RawCityscapesDataset',
    'StreetCrops',
    'TargetAlone',
    'UnlabelledCamVid',
    'UnlabelledImages',
    'check_dataset',
    'parse_class_table',
    'read_class_table',
    'read_image',
    'read_label',
    'table_of_ids',
    'with_this_reader',
    'write_class_table',
]
