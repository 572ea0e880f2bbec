"""Error of a classifier on clean and on changed images."""

from collections.abc import Callable, Iterable

import numpy as np

from sw_mmseg.analysis.corruptions import CORRUPTIONS, SEVERITIES, corrupt

__all__ = ['error_rate', 'robustness']

Predict = Callable[[np.ndarray], np.ndarray]


def error_rate(predict: Predict, images: np.ndarray, labels: np.ndarray, batch_size: int = 100) -> float:
    """Percent of `images` (N, H, W, 3) whose label differs from what `predict` says of a batch of them.

    Raises:
        ValueError: no images, or another number of labels.
    """
    if len(images) != len(labels) or not len(images):
        raise ValueError(f'{len(images)} images and {len(labels)} labels')
    wrong = sum(
        int((predict(images[start : start + batch_size]) != labels[start : start + batch_size]).sum())
        for start in range(0, len(images), batch_size)
    )
    return 100 * wrong / len(images)


def robustness(
    predict: Predict,
    images: np.ndarray,
    labels: np.ndarray,
    names: Iterable[str] = tuple(CORRUPTIONS),
    severities: Iterable[int] = SEVERITIES,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Error in percent by change, one value a severity. Every network sees the same changed images."""
    severities = tuple(severities)
    return {
        name: [error_rate(predict, corrupt(images, name, severity, seed), labels) for severity in severities]
        for name in names
    }
