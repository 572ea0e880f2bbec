"""Commands read images as training reads them, by whatever name a test pipeline calls its reader."""

import cv2
import numpy as np
import pytest
import tifffile
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from sw_mmseg.datasets import DatasetError, GTA5Dataset, LoadImage, UnlabelledImages
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import CONFIGS
from sw_mmseg.running.prediction import build_pipeline, build_reader

SEGMENTATION = [
    path.stem
    for path in sorted((CONFIGS / '_base_/datasets').glob('*.py'))
    if any(word in path.read_text() for word in ('LoadLabels', 'gta2', 'streets2'))
    and 'test_dataloader' in Config.fromfile(path)
]
READERS = ['LoadImageFromFile', 'mmcv.LoadImageFromFile', LoadImageFromFile, 'LoadImage']


@pytest.fixture
def deep(tmp_path):
    """An image of 12 bits in a file of 16, its value at each pixel known."""
    values = np.arange(24, dtype=np.uint16).reshape(4, 6) * 178
    Image.fromarray(values).save(tmp_path / 'deep.png')
    return tmp_path / 'deep.png', (values * (255 / 4095)).round()


@pytest.fixture
def turned(tmp_path):
    """A WebP that EXIF turns by a quarter."""
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new('RGB', (6, 4)).save(tmp_path / 'turned.webp', exif=exif)
    return tmp_path / 'turned.webp'


@pytest.fixture
def four_bands(tmp_path):
    tifffile.imwrite(
        tmp_path / 'bands.tif',
        np.arange(4 * 6 * 4, dtype=np.uint8).reshape(4, 6, 4),
        photometric='rgb',
        extrasamples=[0],
    )
    return tmp_path / 'bands.tif'


def test_there_are_configs():
    assert {'cityscapes', 'ade20k', 'gta5', 'streets_scenes', 'streets2camvid'} <= set(SEGMENTATION)


@pytest.mark.parametrize('name', SEGMENTATION)
def test_every_test_pipeline_reads_as_training_does(name, deep, turned, four_bands):
    pipeline = Config.fromfile(CONFIGS / f'_base_/datasets/{name}.py').test_dataloader.dataset.pipeline
    init_default_scope('mmseg')
    file, expected = deep
    read = build_reader(pipeline)
    assert np.array_equal(read(file), np.repeat(expected[..., None], 3, axis=2))
    assert read(turned).shape == (6, 4, 3)
    with pytest.raises((DatasetError, UserError), match='LoadImage.bands='):
        read(four_bands)


@pytest.mark.parametrize('reader', READERS)
def test_data_sets_read_as_training_does(reader, deep, tmp_path):
    file, expected = deep
    step = dict(type=reader)
    (target,) = [sample['img'] for sample in UnlabelledImages(str(tmp_path), pipeline=[step])]
    assert np.array_equal(target[..., 0], expected)
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    file.rename(tmp_path / 'images/00001.png')
    Image.new('L', (6, 4)).save(tmp_path / 'labels/00001.png')
    (source,) = [sample['img'] for sample in GTA5Dataset(str(tmp_path), pipeline=[step, dict(type='LoadLabels')])]
    assert np.array_equal(source[..., 0], expected)
    assert step == dict(type=reader)


def test_other_arguments_of_a_reader_stay(tmp_path):
    init_default_scope('mmseg')
    Image.fromarray(np.full((4, 6), 7, np.uint8)).save(tmp_path / 'a.png')
    (step,) = build_pipeline([dict(type='LoadImageFromFile', to_float32=True, color_type='unchanged')]).transforms
    assert type(step) is LoadImage and step.transform({'img_path': str(tmp_path / 'a.png')})['img'].shape == (4, 6)


def test_bands_and_white_of_a_config_hold_in_commands(deep, four_bands):
    init_default_scope('mmseg')
    pixels = cv2.imread(str(deep[0]), cv2.IMREAD_UNCHANGED)
    read = build_reader([dict(type='LoadImage', white=65535)])
    assert np.array_equal(read(deep[0])[..., 0], (pixels / 257).round())
    read = build_reader([dict(type='LoadImage', bands=(3, 0, 1))])
    assert read(four_bands)[0, 0].tolist() == [1, 0, 3]  # blue, green, red
