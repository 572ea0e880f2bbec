"""The legend beside a picture names what occurs, in its colour, and leaves the picture alone."""

import numpy as np

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
