"""What images hold, and what is read of them: exact pixels for every depth, band, palette, page and orientation."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from sw_mmseg.datasets import DatasetError, LoadImage
from sw_mmseg.datasets.file_head import read_head
from sw_mmseg.datasets.image_file import read_image, white_of

RAMP = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)  # RGB
GREY = np.arange(16, dtype=np.uint8).reshape(4, 4)
TURNS = {
    1: RAMP,
    2: RAMP[:, ::-1],
    3: RAMP[::-1, ::-1],
    4: RAMP[::-1],
    5: RAMP.transpose(1, 0, 2),
    6: np.rot90(RAMP, -1),
    7: RAMP[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(RAMP, 1),
}


def rgb(path, **options):
    return read_image(str(path), **options).pixels[..., ::-1]


def grey_rgb(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize('ending', ['png', 'bmp', 'tif', 'ppm', 'webp'])
def test_eight_bits_are_read_as_they_are(tmp_path, ending):
    Image.fromarray(RAMP).save(tmp_path / f'a.{ending}', **({'lossless': True} if ending == 'webp' else {}))
    np.testing.assert_array_equal(rgb(tmp_path / f'a.{ending}'), RAMP)
    if ending in ('bmp', 'tif', 'png'):
        Image.fromarray(GREY).save(tmp_path / f'g.{ending}')
        np.testing.assert_array_equal(rgb(tmp_path / f'g.{ending}'), grey_rgb(GREY))


@pytest.mark.parametrize('ending', ['png', 'webp', 'tif'])
@pytest.mark.parametrize('turn', range(1, 9))
def test_images_are_turned_as_exif_says(tmp_path, ending, turn):
    mark = Image.Exif()
    mark[0x112] = turn
    options = {'png': {'exif': mark}, 'webp': {'exif': mark, 'lossless': True}, 'tif': {'tiffinfo': {0x112: turn}}}
    Image.fromarray(RAMP).save(tmp_path / f'a.{ending}', **options[ending])
    np.testing.assert_array_equal(rgb(tmp_path / f'a.{ending}'), TURNS[turn])
    assert read_head(str(tmp_path / f'a.{ending}')).orientation == turn


def test_a_jpeg_is_what_opencv_makes_of_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    mark = Image.Exif()
    mark[0x112] = 6
    Image.fromarray(pixels).save(tmp_path / 'a.jpg', exif=mark)
    np.testing.assert_array_equal(read_image(str(tmp_path / 'a.jpg')).pixels, cv2.imread(str(tmp_path / 'a.jpg')))
    assert read_head(str(tmp_path / 'a.jpg')).size == (40, 60)


def test_a_mark_behind_the_pixels_of_a_png_counts(tmp_path):
    mark = Image.Exif()
    mark[0x112] = 3
    Image.fromarray(RAMP).save(tmp_path / 'a.png', exif=mark)
    data = (tmp_path / 'a.png').read_bytes()
    start = data.index(b'eXIf') - 4
    length = int.from_bytes(data[start : start + 4], 'big') + 12
    moved = data[:start] + data[start + length : -12] + data[start : start + length] + data[-12:]
    (tmp_path / 'b.png').write_bytes(moved)
    np.testing.assert_array_equal(rgb(tmp_path / 'b.png'), TURNS[3])


def deep(bits):
    """Values of so many bits whose largest is there, and what 8 bits make of them."""
    values = np.linspace(0, 2**bits - 1, 16).round().astype(np.uint16).reshape(4, 4)
    return values, (values * (255 / (2**bits - 1))).round().astype(np.uint8)


@pytest.mark.parametrize('bits', [10, 12, 14, 16])
@pytest.mark.parametrize('ending', ['png', 'tif', 'pgm'])
def test_deep_images_are_scaled_by_what_they_hold(tmp_path, bits, ending):
    values, expected = deep(bits)
    cv2.imwrite(str(tmp_path / f'a.{ending}'), values)
    image = read_image(str(tmp_path / f'a.{ending}'))
    np.testing.assert_array_equal(image.pixels, grey_rgb(expected))
    assert image.peak == 2**bits - 1 and f'{2**bits - 1} is taken for white' in image.notes[0]
    cv2.imwrite(str(tmp_path / f'c.{ending.replace("pgm", "ppm")}'), np.dstack([values, values // 2, values * 0]))
    expected = np.dstack([(part * (255 / (2**bits - 1))).round() for part in (values * 0, values // 2, values)])
    np.testing.assert_array_equal(rgb(tmp_path / f'c.{ending.replace("pgm", "ppm")}'), expected)


def test_white_may_be_told(tmp_path):
    cv2.imwrite(str(tmp_path / 'dark.png'), np.full((4, 4), 1000, np.uint16))
    assert (LoadImage(white=4095)({'img_path': str(tmp_path / 'dark.png')})['img'] == 62).all()
    assert (LoadImage(white=65535)({'img_path': str(tmp_path / 'dark.png')})['img'] == 4).all()
    assert [white_of(peak) for peak in (255, 256, 1023, 1024, 4096, 65535)] == [255, 1023, 1023, 4095, 16383, 65535]
    with pytest.raises(DatasetError, match=r'up to 70000.*LoadImage\(white='):
        white_of(70000)


@pytest.mark.parametrize(
    ('dtype', 'values', 'expected'),
    [
        (np.float32, [0, 0.5, 1], [0, 128, 255]),
        (np.float64, [0, 100, 200], [0, 100, 200]),
        (np.float16, [0, 0.25, 1], [0, 64, 255]),
        (np.int32, [0, 2048, 4095], [0, 128, 255]),
        (np.uint64, [0, 100, 255], [0, 100, 255]),
    ],
)
def test_floating_point_and_wide_whole_numbers_are_images_too(tmp_path, dtype, values, expected):
    tifffile.imwrite(tmp_path / 'a.tif', np.tile(np.array(values, dtype), (4, 1)))
    np.testing.assert_array_equal(rgb(tmp_path / 'a.tif'), grey_rgb(np.tile(expected, (4, 1))))


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        (np.full((4, 4), -1, np.int16), 'negative values, down to -1'),
        (np.full((4, 4), np.nan, np.float32), 'no numbers'),
        (np.full((4, 4), 1e6, np.float32), r'up to 1e\+06: what is white'),
    ],
)
def test_values_without_black_or_white_are_refused(tmp_path, values, text):
    tifffile.imwrite(tmp_path / 'a.tif', values)
    with pytest.raises(DatasetError, match=rf'a\.tif.*{text}'):
        read_image(str(tmp_path / 'a.tif'))


@pytest.mark.parametrize('planes', ['contig', 'separate'])
@pytest.mark.parametrize('count', [2, 4, 5, 8])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_bands_are_used_as_told_or_refused(tmp_path, count, planes, dtype):
    bands = np.stack([np.full((20, 30), 10 * band + 5) for band in range(count)], -1).astype(dtype)
    path = tmp_path / 'a.tif'
    tifffile.imwrite(
        path, bands if planes == 'contig' else np.moveaxis(bands, -1, 0), photometric='minisblack', planarconfig=planes
    )
    with pytest.raises(DatasetError, match=rf'a\.tif is a TIFF with {count} bands of .*LoadImage\(bands='):
        read_image(str(path))
    chosen = (1, 0, 1) if count == 2 else (3, 1, 0)
    np.testing.assert_array_equal(rgb(path, bands=chosen, white=255)[0, 0], [10 * band + 5 for band in chosen])
    np.testing.assert_array_equal(rgb(path, bands=(1,), white=255)[0, 0], [15, 15, 15])
    with pytest.raises(DatasetError, match='must name one or three'):
        read_image(str(path), bands=(0, 9, 1))


def test_four_bands_that_declare_no_transparency_are_not_cut_to_three(tmp_path):
    near_infrared = np.dstack([RAMP, GREY])
    tifffile.imwrite(tmp_path / 'a.tif', near_infrared, photometric='rgb', extrasamples=['unspecified'])
    with pytest.raises(DatasetError, match='4 bands'):
        read_image(str(tmp_path / 'a.tif'))
    tifffile.imwrite(tmp_path / 'b.tif', near_infrared, photometric='rgb', extrasamples=['unassalpha'])
    image = read_image(str(tmp_path / 'b.tif'))
    np.testing.assert_array_equal(image.pixels[..., ::-1], RAMP)
    assert 'transparency is not used' in image.notes[0]


@pytest.mark.parametrize('opaque', [True, False])
def test_transparency_is_left_out_and_said_where_it_varies(tmp_path, opaque):
    alpha = np.full((4, 4), 255, np.uint8) if opaque else GREY
    Image.fromarray(np.dstack([RAMP, alpha])).save(tmp_path / 'a.png')
    image = read_image(str(tmp_path / 'a.png'))
    np.testing.assert_array_equal(image.pixels[..., ::-1], RAMP)
    assert bool(image.notes) is not opaque
    Image.fromarray(np.dstack([GREY, alpha])).save(tmp_path / 'b.png')
    np.testing.assert_array_equal(rgb(tmp_path / 'b.png'), grey_rgb(GREY))


def test_palettes_are_shown_in_their_colours(tmp_path):
    picture = Image.fromarray(GREY % 3)
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for ending in ('png', 'gif', 'tif', 'bmp'):
        picture.save(tmp_path / f'a.{ending}')
        np.testing.assert_array_equal(
            rgb(tmp_path / f'a.{ending}'), np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])[GREY % 3]
        )


def test_pages_are_refused_and_overviews_are_not(tmp_path):
    tifffile.imwrite(tmp_path / 'pages.tif', np.zeros((3, 20, 30), np.uint8), photometric='minisblack')
    first, second = Image.fromarray(RAMP), Image.fromarray(RAMP[::-1])
    first.save(tmp_path / 'moving.gif', save_all=True, append_images=[second])
    first.save(tmp_path / 'moving.webp', save_all=True, append_images=[second], lossless=True)
    for name, count in (('pages.tif', 3), ('moving.gif', 2), ('moving.webp', 2)):
        with pytest.raises(DatasetError, match=rf'{name} is a .* with {count} pages or frames.*magick'):
            read_image(str(tmp_path / name))
    with tifffile.TiffWriter(tmp_path / 'pyramid.tif') as file:
        file.write(RAMP, photometric='rgb')
        file.write(RAMP[::2, ::2], photometric='rgb', subfiletype=1)
    np.testing.assert_array_equal(rgb(tmp_path / 'pyramid.tif'), RAMP)


def test_large_files_are_read_and_pillows_limits_come_back(tmp_path, monkeypatch):
    limit = Image.MAX_IMAGE_PIXELS
    Image.fromarray(RAMP).save(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 4)  # 16 pixels are more than twice that
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / 'a.png')
    np.testing.assert_array_equal(rgb(tmp_path / 'a.png'), RAMP)
    assert read_head(str(tmp_path / 'a.png')).size == (4, 4) and Image.MAX_IMAGE_PIXELS == 4
    monkeypatch.undo()
    assert limit == Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr('sw_mmseg.datasets.file_head.MOST_PIXELS', 15)
    with pytest.raises(DatasetError, match=r'a\.png has 4x4 pixels; at most 15.*tiles'):
        read_image(str(tmp_path / 'a.png'))


@pytest.mark.parametrize(
    ('content', 'text'), [(b'', 'the file is empty'), (b'junk junk', 'no image format'), (None, 'is missing')]
)
def test_what_is_no_image_is_named(tmp_path, content, text):
    if content is not None:
        (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(DatasetError, match=rf'a\.png .*{text}'):
        read_image(str(tmp_path / 'a.png'))


def test_decisions_are_logged_once(tmp_path, monkeypatch):
    from sw_mmseg.datasets import once

    said = []
    monkeypatch.setattr(once, 'print_log', lambda text, **_: said.append(text))
    once.forget()
    for name in ('a', 'b'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.full((4, 4), 4000, np.uint16))
        LoadImage()({'img_path': str(tmp_path / f'{name}.png')})
    assert len(said) == 1 and '4095 is taken for white' in said[0] and 'a.png' in said[0]


@pytest.mark.parametrize('compression', [None, 'deflate', 'packbits', 'tiff_lzw'])
@pytest.mark.parametrize('planes', ['contig', 'separate'])
def test_bands_one_after_the_other_and_compressions(tmp_path, planes, compression):
    path = tmp_path / 'a.tif'
    if compression == 'tiff_lzw' or compression == 'packbits':
        Image.fromarray(RAMP).save(path, compression=compression)
    else:
        tifffile.imwrite(
            path,
            RAMP if planes == 'contig' else np.moveaxis(RAMP, -1, 0),
            photometric='rgb',
            planarconfig=planes,
            compression=compression,
        )
    np.testing.assert_array_equal(rgb(path), RAMP)
