"""Pictures of all kinds, drawn styles, contents from several folders."""

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import sw_mmseg.stylization.pictures as pictures
from sw_mmseg.stylization import (
    STYLES,
    ContentPictures,
    PictureError,
    draw_style,
    find_pictures,
    read_picture,
    read_style,
    to_uint8,
)


def test_pictures_of_all_kinds(tmp_path):
    Image.fromarray(np.full((4, 6), 128, np.uint8)).save(tmp_path / 'grey.png')
    Image.fromarray(np.full((4, 6), 65535, np.uint16)).save(tmp_path / 'deep.png')
    Image.new('RGBA', (6, 4), (0, 0, 0, 0)).save(tmp_path / 'alpha.png')
    colours = np.zeros((4, 6, 3), np.uint16)
    colours[..., 2] = 257 * 200  # OpenCV writes blue, green, red
    for name in ('deep_colour.png', 'deep_colour.tif'):
        cv2.imwrite(str(tmp_path / name), colours)
        assert torch.allclose(read_picture(tmp_path / name)[:, 0, 0] * 255, torch.tensor([200.0, 0, 0]), atol=1e-3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (6, 4)).save(tmp_path / 'turned.jpg', exif=exif)
    assert torch.allclose(read_picture(tmp_path / 'grey.png'), torch.full((3, 4, 6), 128 / 255))
    assert read_picture(tmp_path / 'deep.png').min() == 1 and read_picture(tmp_path / 'alpha.png').min() == 1
    assert read_picture(tmp_path / 'turned.jpg').shape == (3, 6, 4)


def test_pictures_that_cannot_be_read(tmp_path):
    (tmp_path / 'broken.png').write_text('no')
    with pytest.raises(PictureError, match='broken.png cannot be read'):
        read_picture(tmp_path / 'broken.png')
    with pytest.raises(PictureError, match='no picture .*none.png'):
        read_picture(tmp_path / 'none.png')
    with pytest.raises(PictureError, match='is missing.*data_root'):
        find_pictures(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(PictureError, match='no pictures .* in folder'):
        find_pictures(tmp_path / 'empty')
    worker = 'Caught PictureError in worker 0.\nTraceback\nsw_mmseg.stylization.pictures.PictureError: a.png is bad\n'
    assert str(PictureError(worker)) == 'a.png is bad'


def test_a_large_jpeg_is_decoded_small_and_another_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'MOST_PIXELS', 160 * 80)
    limit = Image.MAX_IMAGE_PIXELS
    for suffix in ('jpg', 'png'):
        Image.new('RGB', (640, 320), (255, 0, 0)).save(tmp_path / f'large.{suffix}')
    assert read_picture(tmp_path / 'large.jpg', 80).shape == (3, 40, 80)
    with pytest.raises(PictureError, match='640x320 pixels, more than 12800'):
        read_picture(tmp_path / 'large.png', 80)
    assert Image.MAX_IMAGE_PIXELS == limit


def test_there_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(to_uint8(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255), pixels)


@pytest.mark.parametrize('name', STYLES)
def test_drawn_styles(name):
    one, other = draw_style(name, 64), draw_style(name, 64, seed=1)
    assert one.shape == (64, 64, 3) and one.dtype == np.uint8
    assert not np.array_equal(one, other)
    assert one.std() > 20  # it shows something
    assert torch.equal(read_style(f'drawn://{name}', 64), torch.from_numpy(one).permute(2, 0, 1) / 255)


def test_styles_that_are_not_there(tmp_path):
    with pytest.raises(PictureError, match='there are drawn://strokes'):
        read_style('drawn://oil')
    with pytest.raises(PictureError, match='candy.jpg is missing.*model.style=PATH'):
        read_style(str(tmp_path / 'candy.jpg'))


def test_folders_have_equal_shares(tmp_path):
    for folder, count, value in (('few', 1, 10), ('many', 3, 200)):
        (tmp_path / folder).mkdir()
        for index in range(count):
            Image.new('RGB', (8, 6), (value, index, 0)).save(tmp_path / folder / f'{index}.png')
    data = ContentPictures([str(tmp_path / 'few'), str(tmp_path / 'many')], size=4)
    samples = [tuple((data[index]['inputs'][:2, 0, 0] * 255).round().int().tolist()) for index in range(len(data))]
    assert samples == [(10, 0), (200, 0), (10, 0), (200, 1), (10, 0), (200, 2)]
    with pytest.raises(ValueError, match="'middle', 'random'"):
        ContentPictures(str(tmp_path / 'few'), crop='left')


def test_crops(tmp_path):
    """A picture whose red is its column and whose green is its row: what a crop shows is where it was."""
    rows, columns = np.mgrid[:20, :40]
    Image.fromarray(np.stack([columns, rows, 0 * rows], -1).astype(np.uint8)).save(tmp_path / 'a.png')
    middle = ContentPictures(str(tmp_path), size=20)[0]['inputs'] * 255
    assert torch.allclose(middle[0, 0], torch.arange(10.0, 30)) and torch.allclose(middle[1, :, 0], torch.arange(20.0))
    np.random.seed(0)
    random = ContentPictures(str(tmp_path), size=20, crop='random')
    starts = {round(float(random[0]['inputs'][0].min() * 255)) for _ in range(20)}
    assert len(starts) > 5 and min(starts) >= 0 and max(starts) <= 30


def test_folders_inside_packages():
    pytest.importorskip('sklearn')
    data = ContentPictures('package://sklearn/datasets/images', size=8)
    assert len(data) == 2 and data[0]['inputs'].shape == (3, 8, 8)
    with pytest.raises(PictureError, match='pip install nothing_of_that_name'):
        ContentPictures('package://nothing_of_that_name/data')


def test_deep_pictures_and_bands_are_read_as_training_images_are(tmp_path):
    Image.fromarray(np.full((4, 6), 4095, np.uint16)).save(tmp_path / 'twelve_bits.png')
    assert read_picture(tmp_path / 'twelve_bits.png').min() == 1
    tifffile.imwrite(tmp_path / 'fraction.tif', np.full((4, 6), 0.2, np.float32))
    assert torch.allclose(read_picture(tmp_path / 'fraction.tif') * 255, torch.full((3, 4, 6), 51.0))
    tifffile.imwrite(
        tmp_path / 'bands.tif', np.zeros((4, 6, 5), np.uint8), photometric='minisblack', planarconfig='contig'
    )
    with pytest.raises(PictureError, match='bands.tif is a TIFF with 5 bands'):
        read_picture(tmp_path / 'bands.tif')


def test_linked_folders_are_entered_once_and_hidden_ones_are_not(tmp_path):
    for name in ('in/b.jpg', 'in/.cache/c.png', 'other/a.GIF'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (6, 4)).save(tmp_path / name)
    (tmp_path / 'in/more').symlink_to(tmp_path / 'other')
    (tmp_path / 'other/back').symlink_to(tmp_path / 'in')
    assert find_pictures(tmp_path / 'in') == [tmp_path / 'in/b.jpg', tmp_path / 'in/more/a.GIF']
