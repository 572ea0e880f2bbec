"""Images of many bands through the product: chosen once, read alike by checks, training, pictures and predictions."""

import argparse

import numpy as np
import pytest
import tifffile
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.own_images.config import make_config
from sw_mmseg.own_images.folders import labelled_pictures, picture
from sw_mmseg.own_images.plan import choose
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import build_reader
from tests.helpers.strange_folders import grey, look, photograph, read_by_training, scene


def bands(count, chosen):
    """Writes images of `count` bands, of which `chosen` are red, green and blue; the others are noise."""

    def write(pixels, path, n):
        values = np.random.default_rng(n).integers(0, 256, (*pixels.shape[:2], count)).astype(np.uint8)
        values[..., chosen] = pixels
        tifffile.imwrite(f'{path}.tif', values, photometric='minisblack', planarconfig='contig')

    return write


def config_of(checked):
    args = argparse.Namespace(
        network='narrow', norm='sw', method='adaptsegnet', short_side=None, batch_size=None, iterations=100, seed=0
    )
    init_default_scope('mmseg')
    return make_config(choose(args, checked)[0], checked, 'adaptsegnet', {})


@pytest.mark.parametrize('count, chosen', [(4, [2, 1, 0]), (5, [4, 2, 1]), (8, [7, 0, 3])])
def test_every_reader_of_the_source_takes_the_told_bands(folders, count, chosen):
    """The target has colours that need no telling: one test pipeline reads both."""
    root = folders(grey, bands(count, chosen))
    with pytest.raises(UserError, match='--bands 0 1 2'):
        look(root)
    checked = look(root, bands=chosen)
    sample = read_by_training(root, checked)
    np.testing.assert_array_equal(sample['img'], photograph(0)[..., ::-1])
    np.testing.assert_array_equal(sample['gt_seg_map'], scene())
    np.testing.assert_array_equal(labelled_pictures(checked.source, checked.table)[0][0], photograph(0))
    config = config_of(checked)
    read = build_reader(config.test_dataloader.dataset.pipeline)
    np.testing.assert_array_equal(read(root / 'img/0.tif'), photograph(0)[..., ::-1])
    target = np.asarray(Image.open(root / 'tgt/0.jpg'))
    assert np.abs(read(root / 'tgt/0.jpg')[..., ::-1].astype(int) - target).max() <= 3  # two decoders of JPEG
    (first, *_) = [s for s in config.train_dataloader.dataset.target.pipeline if s.type == 'LoadImage']
    assert 'bands' not in first


def test_a_target_of_many_bands(folders):
    root = folders(grey)
    for n in range(4):
        (root / f'tgt/{n}.jpg').unlink()
        bands(5, [3, 1, 0])(photograph(n) // 2, root / f'tgt/{n}', n)
    checked = look(root, bands=[3, 1, 0])
    np.testing.assert_array_equal(picture(str(root / 'tgt/0.tif'), checked.target), photograph(0) // 2)
    config = config_of(checked)
    target = config.train_dataloader.dataset.target
    target.pipeline = target.pipeline[:1]
    np.testing.assert_array_equal(DATASETS.build(target)[0]['img'], (photograph(0) // 2)[..., ::-1])
    read = build_reader(config.test_dataloader.dataset.pipeline)
    np.testing.assert_array_equal(read(root / 'tgt/0.tif'), (photograph(0) // 2)[..., ::-1])
    np.testing.assert_array_equal(read(root / 'img/0.png'), photograph(0)[..., ::-1])


def test_grey_of_two_bands(folders):
    root = folders(
        grey,
        lambda pixels, path, n: tifffile.imwrite(
            f'{path}.tif', np.ascontiguousarray(pixels[..., :2]), photometric='minisblack', planarconfig='contig'
        ),
    )
    checked = look(root, bands=[1])
    image = read_by_training(root, checked)['img']
    np.testing.assert_array_equal(image, np.repeat(photograph(0)[..., 1:2], 3, axis=2))


def test_bands_that_cannot_be_meant(folders):
    root = folders(grey)
    with pytest.raises(UserError, match='--bands: no image has two or more than three bands'):
        look(root, bands=[0, 1, 2])
    for n in range(4):
        (root / f'tgt/{n}.jpg').unlink()
        bands(5, [3, 1, 0])(photograph(n), root / f'tgt/{n}', n)
    with pytest.raises(UserError, match='has the bands 0 to 4; bands=.7, 1, 0. must name one or three of them'):
        look(root, bands=[7, 1, 0])
    for n in range(4):
        (root / f'img/{n}.png').unlink()
        bands(4, [0, 1, 2])(photograph(n), root / f'img/{n}', n)
    with pytest.raises(UserError, match='images of 4 and 5 bands cannot share one choice'):
        look(root, bands=[0, 1, 2])
