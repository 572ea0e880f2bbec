"""Random noise of a camera's sensor: drawn images have none, photographs have."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

__all__ = ['RandomNoise']


@TRANSFORMS.register_module()
class RandomNoise(BaseTransform):
    """Adds Gaussian noise to an image with probability `prob`; labels stay.

    Args:
        prob: 0 to 1.
        deviation: range of the noise's standard deviation, of pixels of 0 to 255; uniform, one an image.
        grey: share of the noise that all channels have in common, 0 to 1: sensors' noise is grey for the most part
            once colours are interpolated.
    """

    def __init__(self, prob: float = 0.5, deviation: tuple[float, float] = (2.0, 12.0), grey: float = 0.5) -> None:
        low, high = deviation
        if not 0 <= prob <= 1 or not 0 <= low <= high or not 0 <= grey <= 1:
            raise ValueError(
                f'prob={prob} and grey={grey} must lie between 0 and 1, deviation={deviation} must be an '
                'ascending range of at least 0'
            )
        self.prob, self.deviation, self.grey = prob, (low, high), grey

    def transform(self, results: dict) -> dict:
        """Changes `img` (H, W, 3) uint8."""
        if np.random.rand() >= self.prob:
            return results
        image = results['img']
        channel_noise = np.random.standard_normal(image.shape)
        common = np.random.standard_normal((*image.shape[:2], 1))
        noise = np.sqrt(1 - self.grey) * channel_noise + np.sqrt(self.grey) * common
        noisy = image + np.random.uniform(*self.deviation) * noise
        results['img'] = np.rint(noisy).clip(0, 255).astype(image.dtype)
        return results
