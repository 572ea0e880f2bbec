"""Prediction pictures: exact colours, exact blending, tiles where they belong."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from sw_mmseg.analysis import colour, contact_sheet, image_bytes, overlay

PALETTE = [(128, 64, 128), (0, 0, 142)]
LABELS = np.array([[0, 1], [255, 1]])


def test_colours_are_the_palette():
    assert colour(LABELS, PALETTE).tolist() == [[[128, 64, 128], [0, 0, 142]], [[0, 0, 0], [0, 0, 142]]]


def test_an_id_without_a_colour_is_named():
    with pytest.raises(ValueError, match=r'\[7\]'):
        colour(np.array([[0, 7]]), PALETTE)


def test_overlay_blends_and_leaves_void_alone():
    image = np.full((2, 2, 3), 100, np.uint8)
    mixed = overlay(image, LABELS, PALETTE, opacity=0.5)
    assert mixed[0, 0].tolist() == [114, 82, 114]  # (100 + 128) / 2, (100 + 64) / 2
    assert mixed[1, 0].tolist() == [100, 100, 100]
    with pytest.raises(ValueError, match='opacity'):
        overlay(image, LABELS, PALETTE, opacity=2)


def test_png_is_exact():
    picture = colour(LABELS, PALETTE)
    back = imread(io.BytesIO(image_bytes(picture)), format='png')
    assert np.array_equal(np.rint(back[..., :3] * 255).astype(np.uint8), picture)
    assert image_bytes(picture, 'jpeg')[:2] == b'\xff\xd8'


def test_sheet_holds_each_tile_at_its_place():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4] = (250, 10, 20)
    truth = np.zeros((4, 8), int)
    sheet = contact_sheet([{'image': image, 'truth': truth}] * 2, ('road', 'car'), PALETTE, tile_width=80, gap=8)
    # tiles are 40×80; the first row starts below a head of 34 pixels, the second 48 further down
    for top in (34, 82):
        assert (sheet[top : top + 40, 8:48] == (250, 10, 20)).all()
        assert (sheet[top : top + 40, 48:88] == 0).all()
        assert (sheet[top : top + 40, 96:176] == PALETTE[0]).all()
    assert (sheet[34:74, :8] == 255).all()


def test_sheet_wants_the_same_columns_in_every_row():
    with pytest.raises(ValueError, match='same column titles'):
        contact_sheet([{'image': np.zeros((2, 2, 3), np.uint8)}, {'truth': LABELS}], ('a', 'b'), PALETTE)


@pytest.mark.parametrize('columns', [1, 3, 5])
def test_titles_of_a_sheet_are_readable_on_a_page(columns):
    """Capital letters are at least 8 pixels high when the sheet is shown 900 pixels wide."""
    image = np.zeros((4, 8, 3), np.uint8)
    sheet = contact_sheet([{'H' * (column + 1): image for column in range(columns)}], (), ())
    ink = (sheet < 128).all(2).any(1)
    letters = int(np.argmin(ink[np.argmax(ink) :]))  # rows of the first run of ink
    assert letters * min(1, 900 / sheet.shape[1]) >= 8
