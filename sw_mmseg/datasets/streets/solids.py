"""Solids: an outline seen from the side, given a width, and painted face by face.

Local metres: x across, y up, z along, the front at +z. A solid is a list of faces; a face is an outward polygon and the
decals that lie on it (windows, lights, wheels). Faces seen from behind are dropped by the sign of their projected area,
the others are painted far to near.
"""

import math

import numpy as np

from .camera import Camera
from .shapes import FRONT, Shape

__all__ = ['Face', 'Model', 'across', 'disc', 'extrude', 'flatten', 'place', 'quad']

Part = tuple[str, np.ndarray]  # material, polygon (n, 3)
Face = list[Part]  # the face itself, then its decals
Model = tuple[np.ndarray, list[tuple[list[str], list[int]]]]  # see `flatten`


def disc(z: float, y: float, radius: float, x: float, count: int = 12) -> np.ndarray:
    """A wheel's outline (count, 3) on a side of the vehicle."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack((np.full(count, x), y + radius * np.sin(turn), z + radius * np.cos(turn)), axis=-1)


def quad(points: list[tuple[float, float]], x: float) -> np.ndarray:
    """(z, y) points on a side of the vehicle, at lateral position x."""
    return np.array([(x, y, z) for z, y in points])


def across(z: float, y0: float, y1: float, x0: float, x1: float) -> np.ndarray:
    """An upright rectangle across the vehicle, at z."""
    return np.array([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])


def extrude(outline: list[tuple[float, float]], width: float, belt: float, paint: str, glass: set[int]) -> list[Face]:
    """Faces of an outline (z, y), rear bottom first and over the roof to the front bottom, given a `width`.

    What is above `belt` is narrowed by a tenth. Edges numbered in `glass` hold a window. The last two faces are the
    sides, right (+x) then left.
    """
    half = [width / 2 * (0.88 if y > belt else 1.0) for _, y in outline]
    faces: list[Face] = []
    for i in range(len(outline) - 1):
        (z0, y0), (z1, y1) = outline[i], outline[i + 1]
        corners = np.array([(-half[i], y0, z0), (half[i], y0, z0), (half[i + 1], y1, z1), (-half[i + 1], y1, z1)])
        face: Face = [(paint, corners)]
        if i in glass:
            middle = corners.mean(axis=0)
            face.append(('glass', middle + (corners - middle) * np.array((0.86, 0.80, 0.80))))
        faces.append(face)
    for side in (1, -1):
        ring = [(side * h, y, z) for h, (z, y) in zip(half, outline)]
        faces.append([(paint, np.array(ring[::-1] if side > 0 else ring))])
    return faces


def flatten(faces: list[Face]) -> Model:
    """Vertices (V, 3) of all polygons, and per face the materials and vertex counts of its polygons, in order."""
    vertices = np.concatenate([polygon for face in faces for _, polygon in face])
    return vertices, [([name for name, _ in face], [len(polygon) for _, polygon in face]) for face in faces]


def _normal(a: list[float], b: list[float], c: list[float]) -> tuple[float, float, float]:
    """Unit normal of a counter-clockwise corner."""
    p, q = [v - u for u, v in zip(a, b)], [v - u for u, v in zip(b, c)]
    cross = p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]
    length = math.sqrt(sum(v * v for v in cross)) + 1e-9
    return cross[0] / length, cross[1] / length, cross[2] / length


def place(
    camera: Camera,
    solid: Model,
    position: tuple[float, float],
    yaw: float,
    size: tuple[float, float, float],
    swatches: dict[str, int],
    label: int,
    instance: int,
) -> list[Shape]:
    """Shapes of a solid that stands at (X, Z), turned by `yaw` radians (0: it shows its rear) and scaled by
    `size` (x, y, z)."""
    vertices, faces = solid
    local = vertices * np.asarray(size)
    sine, cosine = np.sin(yaw), np.cos(yaw)
    world = np.stack(
        (
            local[:, 0] * cosine + local[:, 2] * sine + position[0],
            local[:, 1],
            local[:, 2] * cosine - local[:, 0] * sine + position[1],
        ),
        axis=-1,
    )
    image = camera.project(world)
    visible, start = [], 0
    for names, counts in faces:
        x, y = image[start : start + counts[0]].T
        area = x[-1] * y[0] - x[0] * y[-1] + np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])
        if area < 0:  # image y points down, so an outward polygon turns this way
            depth = float(world[start : start + counts[0], 2].mean())
            visible.append((depth, start, names, counts, _normal(*world[start : start + 3].tolist())))
        start += sum(counts)
    shapes = []
    for depth, start, names, counts, normal in sorted(visible, key=lambda face: -face[0]):
        for name, count in zip(names, counts):
            shapes.append(Shape([image[start : start + count]], label, swatches[name], FRONT, depth, normal, instance))
            start += count
    return shapes
