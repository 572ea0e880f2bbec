"""A pinhole camera above a flat street: world metres to image heights.

World: X to the right, Y up, Z ahead; the camera stands at (0, `height`, 0) and looks along Z. Image coordinates are in
units of the image's HEIGHT, x from the middle and y from the top, so that a scene does not know its pixels: it is the
same scene at 256x128 and at 2048x1024, and a wider image merely sees more to both sides.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ['NEAR', 'Camera']

NEAR = 0.7  # metres; nothing is drawn nearer than this


@dataclass(frozen=True)
class Camera:
    """`height` in metres, `focal` length and `horizon` (distance from the image's top) in image heights."""

    height: float
    focal: float
    horizon: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) to image points (..., 2); what is nearer than `NEAR` is moved to it."""
        scale = self.focal / np.maximum(points[..., 2:], NEAR)
        return (points[..., :2] - (0.0, self.height)) * (scale * (1.0, -1.0)) + (0.0, self.horizon)

    def ground(self, lateral: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points of the street, given by X and Z, to image points (..., 2)."""
        return self.project(np.stack((lateral, np.zeros_like(lateral), depth), axis=-1))

    def upright(self, points: np.ndarray, lateral: float, depth: float) -> np.ndarray:
        """A flat figure that stands at (X, Z) = (`lateral`, `depth`) and faces the camera; `points` (..., 2) are its x
        and height in metres."""
        scale = self.focal / max(depth, NEAR)
        origin = np.array((lateral * scale, self.horizon + self.height * scale))
        return points * np.array((scale, -scale)) + origin
