"""The mean IoU that export prints beside a file, against a count by hand."""

import numpy as np
import pytest

from sw_mmseg.running.exporting import mean_iou, scaled_to


def test_it_is_the_mean_over_classes_that_occur_void_left_out():
    labels = np.array([[0, 0, 1], [1, 1, 255]], np.uint8)
    predicted = np.array([[0, 1, 1], [1, 3, 2]], np.uint8)

    def run(image):
        return predicted[None], None

    # class 0: 1 of 2; class 1: 2 shared of {3 true, 3 predicted}, 2 of 4; class 3: 0 of 1; class 2 is in void alone
    assert mean_iou(run, [(np.zeros((1, 2, 3, 3), np.uint8), labels)], 4) == pytest.approx(100 * (0.5 + 0.5 + 0) / 3)


def test_images_are_counted_together():
    """Not the mean of each image's score."""
    predictions = iter([np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8)])
    data = [(np.zeros((1, 1, 2, 3), np.uint8), np.array([row], np.uint8)) for row in ([0, 0], [0, 1])]
    # class 0: shared 1 + 1, of true 3 and predicted 3, 2 of 4; class 1: 0 of 2
    assert mean_iou(lambda image: (next(predictions)[None], None), data, 2) == pytest.approx(25.0)


def test_a_file_of_one_size_scores_images_of_any():
    """Four pixels are one of what the file takes, and its label is that of all four."""
    seen = []

    def run(image):
        seen.append(image.shape)
        return (image[..., 0] > 100).astype(np.uint8), None

    image = np.zeros((1, 4, 6, 3), np.uint8)
    image[:, :2, :4] = 200
    labels = (image[0, ..., 0] > 0).astype(np.uint8)
    assert mean_iou(scaled_to(run, (3, 2)), [(image, labels)], 2) == pytest.approx(100)
    assert mean_iou(scaled_to(run, (6, 4)), [(image, labels)], 2) == pytest.approx(100)
    assert mean_iou(scaled_to(run, None), [(image, labels)], 2) == pytest.approx(100)
    assert seen == [(1, 2, 3, 3), (1, 4, 6, 3), (1, 4, 6, 3)]
