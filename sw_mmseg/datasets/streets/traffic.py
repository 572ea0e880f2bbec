"""What moves or could: vehicles on their lanes and at the kerb, trams, people on the sidewalks, riders.

Every function returns tasks, `(distance, draw)`: the scene sorts them and calls `draw()` far to near, so that nearer
objects hide farther ones.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from ..labels import ID
from .domains import Layout
from .figures import bicycle, motorcycle, person, rider
from .roadside import figure
from .scenery import Street
from .shapes import Scene
from .solids import place
from .vehicles import extent, model

Task = tuple[float, Callable[[], None]]
LABEL = dict.fromkeys(('sedan', 'hatchback', 'suv', 'van'), 'car')
LABEL |= {kind: kind for kind in ('truck', 'bus', 'train', 'caravan')} | {'bin': 'static'}
MATERIALS = tuple('paint,glass,tyre,chrome,tail light,head light,dark,plate,cargo,bus,tram,trim,display,bin'.split(','))
NEAREST = 4.5  # metres from the camera to a vehicle's middle ahead of us


def weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One key, drawn in proportion to its weight."""
    threshold = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        threshold -= weight
        if threshold < 0:
            return key
    return key


def vehicle(scene: Scene, kind: str, lateral: float, depth: float, yaw: float, rng: np.random.Generator) -> None:
    """One vehicle with its shadow, its own colours and its own instance."""
    spread = rng.uniform(0.94, 1.08, 3)
    swatches = {name: scene.swatch(name) for name in MATERIALS}
    label = ID[LABEL[kind]]
    instance = scene.instance() if kind != 'bin' else 0
    scene.shapes += place(scene.camera, model(kind), (lateral, depth), yaw, tuple(spread), swatches, label, instance)
    length, height, width = extent(kind)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2 + 0.1, length / 2 + 0.1)
    sine, cosine = np.sin(yaw), np.cos(yaw)
    turned = np.stack(
        (corners[:, 0] * cosine + corners[:, 1] * sine, corners[:, 1] * cosine - corners[:, 0] * sine), -1
    )
    scene.shadows.append((turned + (lateral, depth), height))


def spots(rng: np.random.Generator, near: float, far: float, per_10m: float, gap: float) -> list[float]:
    """Distances of objects along a line: `per_10m` are expected in ten metres, none nearer than `gap` to the last."""
    spots, depth = [], near
    while per_10m > 0:
        depth += gap + rng.exponential(10.0 / per_10m) if gap * per_10m < 8 else gap * rng.uniform(1.0, 1.15)
        if depth > far:
            break
        spots.append(depth)
    return spots


def driving(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator) -> list[Task]:
    """Traffic on every lane; ours is kept free for some metres more."""
    tasks: list[Task] = []
    for right, left in zip(street.lanes[:-1], street.lanes[1:]):
        middle = (right + left) / 2
        own = abs(middle) < 0.5
        away = middle > (street.lanes[len(street.lanes) // 2] - 0.1)
        for depth in spots(rng, 6.0 if own else 2.0, 80.0, layout.traffic_per_10m, 6.0):
            kind = weighted(rng, layout.vehicles)
            length = extent(kind)[0]
            depth = max(depth, NEAREST) + length / 2
            yaw = (0.0 if away else np.pi) + rng.normal(0, 0.03) - scene.curvature * depth * 0.5
            lateral = middle + scene.axis(depth) + rng.uniform(-0.3, 0.3)
            tasks.append((depth - length / 2, partial(vehicle, scene, kind, lateral, depth, yaw, rng)))
    if scene.crossing[1] and rng.random() < 0.5:
        near, far = scene.crossing
        kind = weighted(rng, layout.vehicles)
        width = street.walks[1] - street.walks[0]
        lateral = street.walks[0] + width * rng.uniform(0.1, 0.9)
        depth = near + (far - near) * rng.choice((0.3, 0.7))
        tasks.append((depth - 1.0, partial(vehicle, scene, kind, lateral, depth, rng.choice((-1, 1)) * np.pi / 2, rng)))
    return tasks


def parked(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator) -> list[Task]:
    """Cars at both kerbs, hardly ever anything larger."""
    tasks: list[Task] = []
    kinds = {k: w * (0.08 if k in ('truck', 'bus', 'caravan') else 1.0) for k, w in layout.vehicles.items()}
    for side, kerb in zip((-1, 1), street.kerbs):
        if rng.random() < 0.25:
            continue
        for depth in spots(rng, 1.0, 70.0, layout.parked_per_10m, 5.4):
            if scene.crossing[0] - 2 < depth < scene.crossing[1] + 2:
                continue
            kind = weighted(rng, kinds)
            lateral = kerb - side * (0.75 if abs(kerb) > 3.2 else 0.25) + scene.axis(depth)
            yaw = (0.0 if side > 0 else np.pi) + rng.normal(0, 0.04)
            tasks.append((depth - 2.0, partial(vehicle, scene, kind, lateral, depth, yaw, rng)))
    return tasks


def tram(scene: Scene, street: Street, rng: np.random.Generator) -> list[Task]:
    """One or two cars on the tracks of the farthest lane."""
    depth, lateral = rng.uniform(20.0, 45.0), street.lanes[-1] + 1.7
    return [
        (depth + i * 16.5 - 8, partial(vehicle, scene, 'train', lateral, depth + i * 16.5, 0.0, rng))
        for i in range(int(rng.integers(1, 3)))
    ]


def _walk(scene: Scene, lateral: float, depth: float, rng: np.random.Generator) -> None:
    figure(
        scene,
        person(rng),
        lateral,
        depth,
        ID['person'],
        scene.instance(),
        rng.uniform(0.9, 1.08) if rng.random() < 0.88 else rng.uniform(0.6, 0.8),
    )
    scene.shadows.append((np.array([(-0.25, -0.2), (0.25, -0.2), (0.25, 0.2), (-0.25, 0.2)]) + (lateral, depth), 1.7))


def people(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator) -> list[Task]:
    """People on the sidewalks, alone or in twos and threes, and a few who cross the road."""
    tasks: list[Task] = []
    for kerb, walk in zip(street.kerbs, street.walks):
        for depth in spots(rng, 5.0, 60.0, layout.people_per_10m, 0.5):
            for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)):
                lateral = kerb + (walk - kerb) * rng.uniform(0.15, 0.9) + scene.axis(depth)
                spot = depth + rng.uniform(-0.5, 0.5)
                tasks.append((spot, partial(_walk, scene, lateral, spot, rng)))
    for _ in range(rng.poisson(layout.people_per_10m)):
        depth = rng.uniform(9.0, 40.0)
        tasks.append((depth, partial(_walk, scene, rng.uniform(*street.kerbs), depth, rng)))
    return tasks


def _two_wheeler(
    scene: Scene,
    motor: bool,
    ridden: bool,
    lateral: float,
    depth: float,
    squeeze: float,
    flip: int,
    rng: np.random.Generator,
) -> None:
    mirrored = np.array((flip, 1))
    machine = motorcycle(squeeze) if motor else bicycle(squeeze)
    parts = [(name, [contour * mirrored for contour in contours]) for name, contours in machine]
    figure(
        scene,
        parts,
        lateral,
        depth,
        ID['motorcycle' if motor else 'bicycle'],
        scene.instance(),
        rng.uniform(0.95, 1.08),
    )
    if ridden:
        body = rider(squeeze, rng.random() if not motor else 0.8, motor or rng.random() < 0.3)
        parts = [(name, [contour * mirrored for contour in contours]) for name, contours in body]
        figure(scene, parts, lateral, depth, ID['rider'], scene.instance(), rng.uniform(0.98, 1.06))
    scene.shadows.append(
        (np.array([(-0.8, -0.2), (0.8, -0.2), (0.8, 0.2), (-0.8, 0.2)]) * (squeeze, 1) + (lateral, depth), 1.2)
    )


def two_wheelers(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator) -> list[Task]:
    """Riders on the road, and bicycles and motorcycles that lean or stand on the sidewalks."""
    tasks: list[Task] = []
    for _ in range(rng.poisson(layout.riders)):
        depth, motor = rng.uniform(6.0, 32.0), rng.random() < layout.motorcyclist
        lateral = rng.uniform(street.kerbs[0] + 0.8, street.kerbs[1] - 0.8) + scene.axis(depth)
        squeeze = rng.uniform(0.12, 0.4) if rng.random() < 0.6 else rng.uniform(0.6, 1.0)
        tasks.append(
            (depth, partial(_two_wheeler, scene, motor, True, lateral, depth, squeeze, rng.choice((-1, 1)), rng))
        )
    kinds = ((False, layout.parked_bicycles_per_10m), (True, layout.parked_motorcycles_per_10m))
    for motor, density in kinds:
        for kerb, walk in zip(street.kerbs, street.walks):
            for depth in spots(rng, 4.0, 45.0, density, 1.0):
                for i in range(1 if motor else int(rng.integers(1, 4))):
                    spot = depth + 0.7 * i
                    lateral = kerb + (walk - kerb) * rng.choice((0.2, 0.85)) + scene.axis(spot)
                    squeeze = rng.uniform(0.4, 1.0)
                    tasks.append(
                        (
                            spot,
                            partial(
                                _two_wheeler, scene, motor, False, lateral, spot, squeeze, rng.choice((-1, 1)), rng
                            ),
                        )
                    )
    return tasks
