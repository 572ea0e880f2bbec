"""The noise that textures, clouds and twigs are made of."""

from functools import lru_cache

import cv2
import numpy as np

__all__ = ['TILE', 'sample']

TILE = 512  # pixels of the noise tile; 16 times a material's `scale` in metres


@lru_cache(maxsize=1)
def _noise_tile() -> np.ndarray:
    """A tile (512, 512) float32 of fractal noise that repeats seamlessly, zero mean, about unit deviation."""
    rng = np.random.default_rng(20190422)
    tile = np.zeros((TILE, TILE), np.float32)
    for cells, weight in ((16, 1.0), (64, 0.8), (256, 0.7)):
        coarse = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode='wrap')
        step = TILE // cells
        fine = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        tile += weight * fine[2 * step : 2 * step + TILE, 2 * step : 2 * step + TILE]
    return np.clip((tile - tile.mean()) / tile.std(), -2.2, 2.2)


def sample(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The noise tile at (u, v), in tile pixels."""
    return _noise_tile().ravel()[((v.astype(np.int32) & (TILE - 1)) * TILE) + (u.astype(np.int32) & (TILE - 1))]
