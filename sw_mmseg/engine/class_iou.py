"""mmseg's IoU metric that also gives every class its value, so that tables and curves need no parsing of logs."""

from __future__ import annotations

from mmseg.evaluation.metrics import IoUMetric
from mmseg.registry import METRICS

__all__ = ['ClassIoUMetric']


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """`IoUMetric` with one more entry a class: 'IoU.NAME', in percent, unrounded.

    A class that is neither in the truth nor predicted anywhere has IoU NaN and stays out of mIoU, as in `IoUMetric`.
    Arguments are those of `IoUMetric`.
    """

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Metrics over the summed areas of all images.

        Args:
            results: one tuple an image: areas of intersection, union, prediction and truth, each of shape (classes,).
        """
        metrics = super().compute_metrics(results)
        if self.format_only or not results:
            return metrics
        intersection = sum(r[0] for r in results).double()
        union = sum(r[1] for r in results).double()
        iou = (100 * intersection / union).tolist()
        return {**metrics, **{f'IoU.{name}': value for name, value in zip(self.dataset_meta['classes'], iou)}}
