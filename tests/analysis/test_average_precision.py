"""AP by hand: two cars, one found first and well, the other late and in part; a person missed; a crowd."""

import json
import math

import pytest

from sw_mmseg.analysis.average_precision import average_precision

pytest.importorskip('pycocotools')


@pytest.fixture
def files(tmp_path):
    def square(x, y, side):
        return [[x, y, x + side, y, x + side, y + side, x, y + side]]

    boxes = [(1, 1, 10, 10, 10, 0), (2, 1, 60, 60, 20, 0), (3, 2, 10, 60, 10, 0), (4, 1, 40, 0, 30, 1)]
    truth = {
        'images': [dict(id=1, width=100, height=100, file_name='1.png')],
        'categories': [dict(id=1, name='car'), dict(id=2, name='person'), dict(id=3, name='train')],
        'annotations': [
            dict(
                id=i,
                image_id=1,
                category_id=c,
                bbox=[x, y, s, s],
                area=s * s,
                iscrowd=crowd,
                segmentation=square(x, y, s),
            )
            for i, c, x, y, s, crowd in boxes
        ],
    }
    (tmp_path / 'truth.json').write_text(json.dumps(truth))

    def detect(*detections):
        (tmp_path / 'found.json').write_text(
            json.dumps(
                [
                    dict(
                        image_id=1,
                        category_id=1,
                        score=score,
                        bbox=[x, y, w, h],
                        segmentation=dict(size=[100, 100], counts=[]),
                    )
                    for score, x, y, w, h in detections
                ]
            )
        )
        return tmp_path / 'truth.json', tmp_path / 'found.json'

    return detect


def test_ap_of_every_class_and_overlap(files):
    """In order of score: right at every overlap; inside the crowd, ignored; wrong; overlap 12·20 / 20² = 0.6, right up
    to 0.6. At overlaps 0.5, 0.55 and 0.6 precision is 1 up to recall 1/2 (51 of COCO's 101 recalls) and 2/3 beyond
    (50), at the seven others 1 and 0."""
    scores = average_precision(
        *files((0.9, 10, 10, 10, 10), (0.8, 45, 5, 10, 10), (0.7, 80, 10, 10, 10), (0.6, 60, 60, 20, 12))
    )
    high, low = 100 * (51 + 50 * 2 / 3) / 101, 100 * 51 / 101
    assert scores['AP50 car'] == pytest.approx(high) and scores['AP75 car'] == pytest.approx(low)
    assert scores['AP car'] == pytest.approx((3 * high + 7 * low) / 10)
    assert scores['AP50 person'] == 0 and math.isnan(scores['AP50 train'])
    assert scores['AP50'] == pytest.approx(high / 2)  # of car and person; there is no train


def test_no_detection_scores_nothing(files):
    assert average_precision(*files())['AP'] == 0
    with pytest.raises(ValueError, match="unknown kind 'boxes'"):
        average_precision(*files(), kind='boxes')
