"""Random Gaussian blur, one of PSPNet's augmentations of ADE20K (Zhao et al., CVPR 2017), which the paper follows.

PSPNet does not say how strong: the kernel is that of its authors' published training code, 5 pixels.
"""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

__all__ = ['RandomBlur']


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Blurs an image with probability `prob`; labels stay.

    Args:
        prob: 0 to 1.
        kernel: side of the Gaussian kernel in pixels, odd; its deviation is OpenCV's for that size.
    """

    def __init__(self, prob: float = 0.5, kernel: int = 5) -> None:
        if not 0 <= prob <= 1 or kernel < 1 or kernel % 2 == 0:
            raise ValueError(f'prob={prob} must lie between 0 and 1, kernel={kernel} must be odd')
        self.prob, self.kernel = prob, kernel

    def transform(self, results: dict) -> dict:
        """Changes `img` (H, W, 3)."""
        if np.random.rand() < self.prob:
            results['img'] = cv2.GaussianBlur(results['img'], (self.kernel, self.kernel), 0)
        return results
