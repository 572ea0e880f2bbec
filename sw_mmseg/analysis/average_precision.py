"""COCO's average precision, of every class and at one overlap too, from an annotation file and a file of detections.

mmdet's `CocoMetric` writes such files (`outfile_prefix`) but reports a class's AP for masks or boxes, whichever it
scored last, and never AP50.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np

__all__ = ['average_precision']

KINDS = ('bbox', 'segm')


def average_precision(annotations: str | Path, detections: str | Path, kind: str = 'bbox') -> dict[str, float]:
    """AP, AP50 and AP75 in percent: of all classes ('AP', 'AP50', 'AP75'), and of each ('AP car', ...).

    A class of which the annotations have no object, crowds aside, has NaN and does not count in the mean.

    Args:
        annotations: file in COCO's format.
        detections: list of `image_id, category_id, score` and `bbox` or `segmentation`; may be empty.
        kind: 'bbox' or 'segm'.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind '{kind}': choose one of {KINDS}")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results = json.loads(Path(detections).read_text())
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(results) if results else COCO(), kind)
        evaluation.evaluate()
        evaluation.accumulate()
    names = [category['name'] for category in truth.loadCats(evaluation.params.catIds)]
    thresholds = evaluation.params.iouThrs
    precision = evaluation.eval['precision'][:, :, :, 0, -1]  # overlaps, recalls, classes; all areas, most detections
    precision = np.where(precision < 0, np.nan, precision)
    rows = {
        'AP': precision,
        'AP50': precision[np.isclose(thresholds, 0.5)],
        'AP75': precision[np.isclose(thresholds, 0.75)],
    }
    scores = {}
    for measure, values in rows.items():
        of_class = 100 * values.mean((0, 1))
        scores[measure] = float(np.nanmean(of_class)) if not np.isnan(of_class).all() else float('nan')
        scores |= {f'{measure} {name}': float(score) for name, score in zip(names, of_class)}
    return scores
