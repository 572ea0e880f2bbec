"""Drawn detections: which pixels are touched, in which colour, and what lies on top."""

import numpy as np
import pytest

from sw_mmseg.analysis.detections import draw_detections

CLASSES, PALETTE = ('person', 'vehicle'), [(220, 20, 60), (0, 0, 142)]


def test_masks_boxes_and_what_lies_on_top():
    image = np.full((80, 120, 3), 100, np.uint8)
    masks = np.zeros((2, 80, 120), bool)
    masks[0, 30:60, 20:70] = masks[1, 40:70, 50:100] = True
    boxes = np.array([[20, 30, 70, 60], [50, 40, 100, 70]], float)
    drawn = draw_detections(image, boxes, [0, 1], [0.6, 0.9], CLASSES, PALETTE, masks, opacity=0.5)
    assert (image == 100).all() and drawn.shape == image.shape and drawn.dtype == np.uint8
    assert drawn[50, 30].tolist() == [160, 60, 80]  # half of 100 and half of the person's colour
    assert drawn[65, 80].tolist() == [50, 50, 121]
    assert drawn[55, 60].tolist() == [80, 30, 111]  # of both: the vehicle, which is surer, over the person
    assert drawn[45, 20].tolist() == [220, 20, 60] and drawn[50, 99].tolist() == [0, 0, 142]  # the boxes' sides
    assert (drawn[75:, :10] == 100).all() and (drawn[:15] == 100).all()
    names = draw_detections(image, boxes, [0, 1], [0.6, 0.9], CLASSES, PALETTE)
    assert names[50, 30].tolist() == [100] * 3 and not (names[20:30, 20:60] == 100).all()


def test_boxes_beyond_the_image_nothing_found_and_mistakes():
    image = np.zeros((40, 60, 3), np.uint8)
    drawn = draw_detections(
        image, np.array([[-20.0, -5, 200, 90]]), [1], [1.0], CLASSES, PALETTE, np.ones((1, 40, 60), bool)
    )
    assert drawn.any()
    nothing = draw_detections(image, np.zeros((0, 4)), [], [], CLASSES, PALETTE, np.zeros((0, 40, 60), bool))
    assert (nothing == image).all() and nothing is not image
    with pytest.raises(ValueError, match='opacity must be in'):
        draw_detections(image, np.zeros((0, 4)), [], [], CLASSES, PALETTE, opacity=2)
    with pytest.raises(ValueError, match=r'image is \(40, 60\), masks are \(4, 4\)'):
        draw_detections(image, np.zeros((1, 4)), [0], [1.0], CLASSES, PALETTE, np.zeros((1, 4, 4), bool))


def test_names_with_umlauts_differ():
    image, box = np.zeros((60, 80, 3), np.uint8), np.array([[10.0, 30, 60, 50]])
    first, second = (draw_detections(image, box, [0], [1.0], [name], PALETTE) for name in ('Kühe', 'Köhe'))
    assert (first != second).any()
