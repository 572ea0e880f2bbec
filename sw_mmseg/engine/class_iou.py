"""mmseg's IoU metric that also keeps every class's value, so that tables need no parsing of logs."""

from __future__ import annotations

from mmseg.evaluation.metrics import IoUMetric
from mmseg.registry import METRICS

__all__ = ['ClassIoUMetric']


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """`IoUMetric` with `class_iou` after each evaluation: name -> IoU in percent, unrounded (main process only).

    A class that is neither in the truth nor predicted anywhere has IoU NaN and stays out of mIoU, as in `IoUMetric`.
    Arguments are those of `IoUMetric`.
    """

    class_iou: dict[str, float] = {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """`IoUMetric`'s metrics, over the summed areas of all images; fills `class_iou`.

        Args:
            results: one tuple an image: areas of intersection, union, prediction and truth, each of shape (classes,).
        """
        if not self.format_only:
            intersection = sum(r[0] for r in results).double()
            union = sum(r[1] for r in results).double()
            self.class_iou = dict(zip(self.dataset_meta['classes'], (100 * intersection / union).tolist()))
        return super().compute_metrics(results)
