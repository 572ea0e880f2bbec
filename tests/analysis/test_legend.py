"""The legend beside a picture names what occurs, in its colour, and leaves the picture alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ImageFont

from sw_mmseg.analysis import plot_class_bars, text
from sw_mmseg.analysis.detections import draw_detections
from sw_mmseg.analysis.legend import with_legend

CLASSES = [f'class {n}' for n in range(12)]
PALETTE = [[20 * n, 255 - 20 * n, 7] for n in range(12)]


def colours(panel):
    return {tuple(pixel) for pixel in panel.reshape(-1, 3)} & {tuple(colour) for colour in PALETTE}


def test_only_what_occurs_is_named():
    picture = np.random.default_rng(0).integers(0, 256, (80, 50, 3), dtype=np.uint8)
    labels = np.full((80, 50), 3)
    labels[:10], labels[-5:] = 9, 255
    result = with_legend(picture, labels, CLASSES, PALETTE)
    assert np.array_equal(result[:, :50], picture) and result.dtype == np.uint8
    assert colours(result[:, 50:]) == {tuple(PALETTE[3]), tuple(PALETTE[9])}
    other = with_legend(picture, np.zeros((80, 50), int), CLASSES, PALETTE)
    assert other.shape == result.shape and not np.array_equal(other, result)  # frames of a video: one size


def test_without_room_the_largest_are_named():
    labels = np.repeat(np.arange(12), np.arange(1, 13))  # class n occurs n + 1 times
    result = with_legend(np.zeros((52, 20, 3), np.uint8), labels, CLASSES, PALETTE)  # three lines
    assert colours(result[:, 20:]) == {tuple(PALETTE[10]), tuple(PALETTE[11])}  # the third says: + 10 more


def test_umlauts_are_letters():
    """OpenCV's own font draws one question mark for each byte of what is not ASCII."""

    def panel(name):
        return with_legend(np.zeros((40, 20, 3), np.uint8), np.zeros((40, 20), int), [name], [[9, 9, 200]])[:, 20:]

    assert panel('Straße').shape == panel('Straße').shape and panel('Straße').shape != panel('Stra??e').shape
    for name, other in (('ü', 'ö'), ('дорога', 'догора'), ('Ağaç', 'Agac')):
        assert panel(name).shape != panel(other).shape or (panel(name) != panel(other)).any()
    assert (panel('ü')[:8] != panel('u')[:8]).any()  # the two dots, above where the letter is


@pytest.fixture
def fonts(monkeypatch):
    """`fonts(files)` are those of the system; all are as DejaVu Sans but for their letters, which `files` names."""

    def use(files):
        for name in ('_tell', '_font_with', '_system_fonts', '_font'):
            getattr(text, name).cache_clear()
        monkeypatch.setattr(text, 'findSystemFonts', lambda: list(files))
        whole, open_font = text.FT2Font, ImageFont.truetype
        dejavu = next(text._fonts())
        lists = {
            file: SimpleNamespace(get_char_index=lambda code, file=file: chr(code) in files[file]) for file in files
        }
        monkeypatch.setattr(text, 'FT2Font', lambda file: lists.get(file) or whole(file))
        opened = []
        monkeypatch.setattr(
            text.ImageFont, 'truetype', lambda file, size: opened.append(file) or open_font(dejavu, size)
        )
        return opened

    yield use
    monkeypatch.undo()
    for name in ('_tell', '_font_with', '_system_fonts', '_font'):
        getattr(text, name).cache_clear()


def test_letters_that_no_font_has_are_numbers_and_said_once(fonts, caplog):
    """DejaVu Sans has no Chinese: every class would be the same boxes."""
    fonts({'LastResort.otf': '道路天空'})
    picture, labels = np.zeros((40, 20, 3), np.uint8), np.arange(800).reshape(40, 20) % 2
    named = with_legend(picture, labels, ['道路', 'sky'], PALETTE)
    assert np.array_equal(named, with_legend(picture, labels, ['#0', 'sky'], PALETTE))
    boxes, scores = np.array([[2.0, 20, 18, 38]]), [0.9]
    assert np.array_equal(
        draw_detections(picture, boxes, [1], scores, ['', '天空'], PALETTE),
        draw_detections(picture, boxes, [1], scores, ['', '#1'], PALETTE),
    )
    with_legend(picture, labels, ['道路', 'sky'], PALETTE)
    assert [record.message for record in caplog.records if '道路' in record.message] == [
        'no font of this system has the letters of 道路: legends show numbers of classes, such as #0, in their order. '
        'Install a font that has them, such as Noto Sans CJK'
    ]


def test_a_font_of_the_system_that_has_the_letters_is_taken(fonts, caplog):
    opened = fonts({'b.ttf': '道路 0123456789.%', 'a.ttf': '道路'})  # the share stands beside the name
    with_legend(np.zeros((40, 20, 3), np.uint8), np.zeros((40, 20), int), ['道路'], PALETTE)
    assert opened == ['b.ttf']
    assert text.font_file('road 100%').endswith('DejaVuSans.ttf')
    assert caplog.records == []


def test_names_in_charts_are_no_formulas():
    figure = plot_class_bars(['a$b$c', '$y_{$'], {'BN': [1.0, 2.0]})
    figure.canvas.draw()
    texts = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in texts] == ['a$b$c', '$y_{$']
    assert not any(label.get_parse_math() for label in texts)
