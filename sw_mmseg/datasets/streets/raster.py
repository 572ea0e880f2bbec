"""From shapes to pixels, still without colour: which shape each pixel shows, and where in the world that point lies."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..labels import ID, LABELS
from .noise import sample
from .shapes import GROUND, SIDE, TWIGS, Scene

__all__ = ['Raster', 'rasterise']

_SHIFT = 4  # binary places of a vertex's position inside a pixel
_SKY_DISTANCE = 4000.0  # metres
_HAS_INSTANCES = np.array([label.has_instances for label in LABELS])


@dataclass
class Raster:
    """`index` (h, w) int32, what each pixel shows: 0 is sky, i + 1 the i-th shape of `scene`. `owner` (h, w) is the
    shape whose class it has; the two differ between twigs. `h` is `scale` times the picture's height."""

    scene: Scene
    index: np.ndarray
    scale: int
    owner: np.ndarray

    def _per_shape(self, values: list, sky: float, dtype: type) -> np.ndarray:
        return np.array([sky, *values], dtype)

    @cached_property
    def labels(self) -> np.ndarray:
        """Raw label id of every shape, sky first: (S + 1,) uint8."""
        return self._per_shape([shape.label for shape in self.scene.shapes], ID['sky'], np.uint8)

    @cached_property
    def patterns(self) -> np.ndarray:
        """Pattern of every shape, sky first: (S + 1,) int8."""
        return self._per_shape([shape.pattern for shape in self.scene.shapes], 0, np.int8)

    def _centres(self) -> np.ndarray:
        return self.owner[self.scale // 2 :: self.scale, self.scale // 2 :: self.scale]

    def label_map(self) -> np.ndarray:
        """Raw label ids (H, W) uint8."""
        return self.labels[self._centres()]

    def instance_map(self) -> np.ndarray:
        """Cityscapes' instance ids (H, W) uint16: label * 1000 + a number for countable classes, else the label."""
        instances = self._per_shape([shape.instance for shape in self.scene.shapes], 0, np.int64)
        counted = _HAS_INSTANCES[self.labels] & (instances > 0)
        numbers = np.zeros_like(instances)
        for label in np.unique(self.labels[counted]):  # numbered within their class, as Cityscapes does
            chosen = counted & (self.labels == label)
            numbers[chosen] = np.unique(instances[chosen], return_inverse=True)[1]
        ids = np.where(counted, self.labels * np.int64(1000) + numbers, self.labels)
        return ids.astype(np.uint16)[self._centres()]

    @cached_property
    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.index.shape
        x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / height
        y = (np.arange(height, dtype=np.float32) + 0.5) / height
        return x[None, :], y[:, None]

    @cached_property
    def plane(self) -> np.ndarray:
        """Plane code of every pixel, (h, w) int8; sky counts as an upright plane far away."""
        return self._per_shape([shape.plane for shape in self.scene.shapes], 2, np.int8)[self.index]

    @cached_property
    def depth(self) -> np.ndarray:
        """Distance of every pixel along the view, metres, (h, w) float32."""
        x, y = self._grid
        camera = self.scene.camera
        offset = self._per_shape([shape.offset for shape in self.scene.shapes], _SKY_DISTANCE, np.float32)
        depth = offset[self.index]
        below = np.float32(camera.focal * camera.height) / np.maximum(y - np.float32(camera.horizon), np.float32(1e-4))
        np.copyto(depth, below, where=self.plane == GROUND)
        side = np.where(np.abs(x) < 1e-4, np.float32(1e-4), x)
        np.copyto(depth, np.float32(camera.focal) / side * depth, where=self.plane == SIDE)
        return np.clip(depth, 0.3, _SKY_DISTANCE)

    @cached_property
    def surface(self) -> tuple[np.ndarray, np.ndarray]:
        """Position (u, v) of every pixel on its own plane, metres: X and Z on the ground, Z and Y on a face along the
        street, X and Y on one across it."""
        x, y = self._grid
        camera = self.scene.camera
        unit = self.depth * np.float32(1 / camera.focal)
        u = x * unit
        np.copyto(u, self.depth, where=self.plane == SIDE)
        v = np.float32(camera.height) - (y - np.float32(camera.horizon)) * unit
        np.copyto(v, self.depth, where=self.plane == GROUND)
        return u, v


def rasterise(scene: Scene, width: int, height: int, scale: int = 2) -> Raster:
    """Paints the shapes at `scale` times the size; later shapes cover earlier ones."""
    rows, columns = height * scale, width * scale
    owner = np.zeros((rows, columns), np.int32)
    index = owner  # another array as soon as one sees through a shape
    contours = [contour for shape in scene.shapes for contour in shape.contours]
    origin = np.array((columns / 2 - 0.5, -0.5))  # OpenCV counts from the first pixel's middle
    pixels = (np.clip(np.concatenate(contours), -30.0, 30.0) * rows + origin) * (1 << _SHIFT)
    pixels = np.rint(pixels).astype(np.int32)
    end = 0
    for i, shape in enumerate(scene.shapes):
        outlines = []
        for contour in shape.contours:
            outlines.append(pixels[end : end + len(contour)])
            end += len(contour)
        if shape.pattern == TWIGS:
            index = owner.copy() if index is owner else index
            _fill_twigs(index, outlines, i + 1)
        elif index is not owner:
            cv2.fillPoly(index, outlines, i + 1, lineType=cv2.LINE_8, shift=_SHIFT)
        cv2.fillPoly(owner, outlines, i + 1, lineType=cv2.LINE_8, shift=_SHIFT)
    return Raster(scene, index, scale, owner)


def _fill_twigs(index: np.ndarray, outlines: list[np.ndarray], number: int) -> None:
    """Fills a crown but for its gaps, where fine streaks of the noise and coarse blobs of it are low."""
    mask = np.zeros(index.shape, np.uint8)
    cv2.fillPoly(mask, outlines, 255, lineType=cv2.LINE_8, shift=_SHIFT)
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return
    noise = sample(
        columns * np.float32(7.3) + np.float32(number * 61), rows * np.float32(3.1) + np.float32(number * 17)
    )
    coarse = sample(columns * np.float32(0.6) + np.float32(number * 29), rows * np.float32(0.6))
    twig = noise + np.float32(0.5) * coarse > np.float32(0.15)
    index[rows[twig], columns[twig]] = number
