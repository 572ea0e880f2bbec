"""Colour transfer: a source picture with the mean colour and the covariance of colours of a target.

    x' = T (x - mean_s) + mean_t,   T = S^(-1/2) (S^(1/2) U S^(1/2))^(1/2) S^(-1/2),   S, U the two covariances

Of all linear maps that give x' the covariance U this T changes colours least (Pitié and Kokaram, CVMP 2007): it is the
optimal transport between Gaussians. The plainest of input-side adaptations, against which FDA has to show its worth.
"""

import cv2
import numpy as np
import torch
from mmseg.registry import TRANSFORMS
from torch import Tensor

__all__ = ['ColourStatistics', 'match_colours']

SPACES = ('lab', 'bgr')


def match_colours(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Colours (N, C), mapped so that mean and covariance are those of `target` (M, C); fp64.

    A direction in which the source's colours do not vary at all cannot be given any variance.
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    root, inverse = _roots(np.cov(source.T, bias=True))
    middle, _ = _roots(root @ np.cov(target.T, bias=True) @ root)
    return (source - source.mean(0)) @ (inverse @ middle @ inverse) + target.mean(0)


def _roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric square root and its pseudo-inverse of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.sqrt(values.clip(0))
    known = values > 1e-6 * max(values.max(), 1e-12)
    inverse = np.divide(1, values, out=np.zeros_like(values), where=known)
    return (vectors * values) @ vectors.T, (vectors * inverse) @ vectors.T


@TRANSFORMS.register_module()
class ColourStatistics:
    """For `DomainPair(source_style=...)`.

    Args:
        space: 'lab' (CIE L*a*b*, where distances are nearer to what is seen) or 'bgr'.
    """

    def __init__(self, space: str = 'lab') -> None:
        if space not in SPACES:
            raise ValueError(f'space={space!r}; valid are {", ".join(SPACES)}')
        self.space = space

    def __call__(self, source: Tensor, target: Tensor) -> Tensor:
        """BGR pictures (3, H, W) and (3, h, w) of values 0 to 255 to one as the first, of its type."""
        colours, target_colours = (self._colours(picture) for picture in (source, target))
        matched = match_colours(colours.reshape(-1, 3), target_colours.reshape(-1, 3)).reshape(colours.shape)
        if self.space == 'lab':
            matched = cv2.cvtColor(matched.astype(np.float32), cv2.COLOR_LAB2BGR) * 255
        styled = torch.from_numpy(matched.astype(np.float32)).permute(2, 0, 1).clamp(0, 255).contiguous()
        return styled.to(source.dtype) if source.is_floating_point() else styled.round().to(source.dtype)

    def _colours(self, picture: Tensor) -> np.ndarray:
        """(H, W, 3) of the space."""
        picture = np.ascontiguousarray(picture.permute(1, 2, 0).numpy().astype(np.float32))
        return cv2.cvtColor(picture / 255, cv2.COLOR_BGR2LAB) if self.space == 'lab' else picture
