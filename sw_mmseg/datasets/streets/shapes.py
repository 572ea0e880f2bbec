"""What a scene is made of: flat shapes in painting order, with their class and instance, and no colour.

A `Shape` names a swatch, which is one material of one object (the paint of this car, the shirt of that person). Looks
give swatches a colour; scenes never do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .camera import Camera

__all__ = [
    'BARS',
    'BRICKS',
    'FRONT',
    'GROUND',
    'PLAIN',
    'SIDE',
    'TWIGS',
    'UP',
    'WINDOWS',
    'Marking',
    'Queue',
    'Scene',
    'Shape',
]

# The plane a shape lies in: how the renderer finds the distance of each of its pixels.
GROUND, SIDE, FRONT = 0, 1, 2  # Y = 0; X = offset; Z = offset
UP, TOWARDS = (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)
PLAIN, WINDOWS, BARS, BRICKS = range(4)  # patterns that the renderer draws in a shape's own metres
TWIGS = 4  # a pattern that what is behind shows through, though all of the outline has the shape's class


class Shape(NamedTuple):
    """`contours`: closed outlines (n, 2) in image heights, even-odd; `label`: raw id; `instance`: 0 or the object's
    number; `swatch`: index in `Scene.swatches`; `normal`: outward, world; `offset`: see the planes; `pattern` and its
    `pitch` (metres across, metres up, metres above the ground where it starts)."""

    contours: Sequence[np.ndarray]
    label: int
    swatch: int
    plane: int = FRONT
    offset: float = 20.0
    normal: tuple[float, float, float] = TOWARDS
    instance: int = 0
    pattern: int = PLAIN
    pitch: tuple[float, float, float] = (3.0, 3.0, 0.0)


class Marking(NamedTuple):
    """A line along the street, metres: lateral position, width (0: not painted), length of a dash and period (0:
    unbroken)."""

    lateral: float
    width: float
    dash: float
    period: float


@dataclass
class Scene:
    """One street, without colours. `shapes` are in painting order, far to near; pixels that none covers are sky.

    `shadows` are the ground areas (n, 2) in metres, X and Z, under objects, each with the object's height;
    `curvature` bends the street: its axis is at X = curvature * Z**2 / 2; `crossing` is a side street's (near, far).
    """

    camera: Camera
    shapes: list[Shape] = field(default_factory=list)
    swatches: list[str] = field(default_factory=list)
    shadows: list[tuple[np.ndarray, float]] = field(default_factory=list)
    markings: list[Marking] = field(default_factory=list)
    curvature: float = 0.0
    crossing: tuple[float, float] = (0.0, 0.0)
    instances: int = 0

    def swatch(self, material: str) -> int:
        """A new swatch of a material; its index."""
        self.swatches.append(material)
        return len(self.swatches) - 1

    def instance(self) -> int:
        """A new instance number, from 1."""
        self.instances += 1
        return self.instances

    def axis(self, depth: float | np.ndarray) -> float | np.ndarray:
        """Lateral position of the street's axis at a distance, metres."""
        return 0.5 * self.curvature * depth * depth


class Queue:
    """Things to draw later, far to near, so that nearer ones hide farther ones."""

    def __init__(self) -> None:
        self._tasks: list[tuple[float, Callable[..., None], tuple]] = []

    def add(self, distance: float, draw: Callable[..., None], *arguments: object) -> None:
        """Keeps `draw(*arguments)` for something that begins `distance` metres away."""
        self._tasks.append((distance, draw, arguments))

    def paint(self) -> None:
        """Draws everything, the farthest first; what is equally far keeps its order."""
        for _, draw, arguments in sorted(self._tasks, key=lambda task: -task[0]):
            draw(*arguments)
        self._tasks.clear()
