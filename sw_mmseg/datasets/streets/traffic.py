"""What moves or could: vehicles on their lanes and at the kerb, trams, people on the sidewalks, riders.

Every function decides where things stand and leaves the drawing to the queue, which paints far to near.
"""

import numpy as np

from ..labels import ID
from .figures import bicycle, motorcycle, person, rider
from .ranges import Layout
from .roadside import figure
from .scenery import Street
from .shapes import Queue, Scene
from .solids import place
from .vehicles import extent, materials, model

__all__ = ['box', 'driving', 'parked', 'people', 'riders', 'spots', 'stands', 'tram', 'vehicle', 'weighted']

LABEL = dict.fromkeys(('sedan', 'hatchback', 'suv', 'van'), 'car')
LABEL |= {kind: kind for kind in ('truck', 'bus', 'train', 'caravan')} | {'bin': 'static'}
NEAREST = 4.5  # metres from the camera to a vehicle's middle ahead of us


def weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One key, drawn in proportion to its weight."""
    threshold = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        threshold -= weight
        if threshold < 0:
            return key
    return key


def box(half_width: float, half_length: float, lateral: float, depth: float, yaw: float = 0.0) -> np.ndarray:
    """Corners (4, 2) of a rectangle on the ground, X and Z."""
    x, z = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]).T * np.array([[half_width], [half_length]])
    sine, cosine = np.sin(yaw), np.cos(yaw)
    return np.stack((lateral + x * cosine + z * sine, depth + z * cosine - x * sine), axis=-1)


def vehicle(scene: Scene, kind: str, lateral: float, depth: float, yaw: float, rng: np.random.Generator) -> None:
    """One vehicle with its shadow, its own colours and its own instance."""
    spread = rng.uniform(0.94, 1.08, 3)
    swatches = {name: scene.swatch(name) for name in materials(kind)}
    label = ID[LABEL[kind]]
    instance = scene.instance() if kind != 'bin' else 0
    scene.shapes += place(scene.camera, model(kind), (lateral, depth), yaw, tuple(spread), swatches, label, instance)
    length, height, width = extent(kind)
    scene.shadows.append((box(width / 2 + 0.1, length / 2 + 0.1, lateral, depth, yaw), height))


def spots(rng: np.random.Generator, near: float, far: float, per_10m: float, gap: float) -> list[float]:
    """Distances of objects along a line: `per_10m` are expected in ten metres, none nearer than `gap` to the last."""
    depths, depth = [], near
    while per_10m > 0:
        depth += gap + rng.exponential(10.0 / per_10m) if gap * per_10m < 8 else gap * rng.uniform(1.0, 1.15)
        if depth > far:
            break
        depths.append(depth)
    return depths


def driving(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """Traffic on every lane; ours is kept free for some metres more."""
    for right, left in zip(street.lanes[:-1], street.lanes[1:]):
        middle = (right + left) / 2
        ego_lane = abs(middle) < 0.5
        away = middle > (street.lanes[len(street.lanes) // 2] - 0.1)
        for depth in spots(rng, 6.0 if ego_lane else 2.0, 80.0, layout.traffic_per_10m, 6.0):
            kind = weighted(rng, layout.vehicles)
            length = extent(kind)[0]
            depth = max(depth, NEAREST) + length / 2
            yaw = (0.0 if away else np.pi) + rng.normal(0, 0.03) - scene.curvature * depth * 0.5
            lateral = middle + scene.axis(depth) + rng.uniform(-0.3, 0.3)
            queue.add(depth - length / 2, vehicle, scene, kind, lateral, depth, yaw, rng)
    if scene.crossing[1] and rng.random() < 0.5:
        near, far = scene.crossing
        kind = weighted(rng, layout.vehicles)
        width = street.walks[1] - street.walks[0]
        lateral = street.walks[0] + width * rng.uniform(0.1, 0.9)
        depth = near + (far - near) * rng.choice((0.3, 0.7))
        queue.add(depth - 1.0, vehicle, scene, kind, lateral, depth, rng.choice((-1, 1)) * np.pi / 2, rng)


def parked(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """Cars at both kerbs, hardly ever anything larger."""
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
            queue.add(depth - 2.0, vehicle, scene, kind, lateral, depth, yaw, rng)


def tram(scene: Scene, street: Street, rng: np.random.Generator, queue: Queue) -> None:
    """One or two cars on the tracks of the farthest lane."""
    depth, lateral = rng.uniform(20.0, 45.0), street.lanes[-1] + 1.7
    for i in range(int(rng.integers(1, 3))):
        middle = depth + i * 16.5
        queue.add(middle - 8, vehicle, scene, 'train', lateral, middle, 0.0, rng)


def _walk(scene: Scene, lateral: float, depth: float, rng: np.random.Generator) -> None:
    """One person, a child now and then."""
    size = rng.uniform(0.9, 1.08) if rng.random() < 0.88 else rng.uniform(0.6, 0.8)
    figure(scene, person(rng), lateral, depth, ID['person'], scene.instance(), size)
    scene.shadows.append((box(0.25, 0.2, lateral, depth), 1.7))


def people(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """People on the sidewalks, alone or in twos and threes, and a few who cross the road."""
    for kerb, walk in zip(street.kerbs, street.walks):
        for depth in spots(rng, 5.0, 60.0, layout.people_per_10m, 0.5):
            for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)):
                lateral = kerb + (walk - kerb) * rng.uniform(0.15, 0.9) + scene.axis(depth)
                spot = depth + rng.uniform(-0.5, 0.5)
                queue.add(spot, _walk, scene, lateral, spot, rng)
    for _ in range(rng.poisson(layout.people_per_10m)):
        depth = rng.uniform(9.0, 40.0)
        queue.add(depth, _walk, scene, rng.uniform(*street.kerbs), depth, rng)


def _two_wheeler(
    scene: Scene, motor: bool, ridden: bool, lateral: float, depth: float, squeeze: float, rng: np.random.Generator
) -> None:
    """A bicycle or motorcycle, headed left or right, with or without its rider."""
    flip = np.array((rng.choice((-1, 1)), 1))
    machine = [(motorcycle if motor else bicycle)(squeeze), ID['motorcycle' if motor else 'bicycle']]
    body = [rider(squeeze, 0.8 if motor else rng.random(), motor or rng.random() < 0.3), ID['rider']]
    for parts, label in (machine, body) if ridden else (machine,):
        mirrored = [(name, [contour * flip for contour in contours]) for name, contours in parts]
        figure(scene, mirrored, lateral, depth, label, scene.instance(), rng.uniform(0.96, 1.08))
    scene.shadows.append((box(0.8 * squeeze, 0.2, lateral, depth), 1.2))


def riders(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """Riders on the road, most of them seen from behind or from the front."""
    for _ in range(rng.poisson(layout.riders)):
        depth, motor = rng.uniform(6.0, 32.0), rng.random() < layout.motorcyclist
        lateral = rng.uniform(street.kerbs[0] + 0.8, street.kerbs[1] - 0.8) + scene.axis(depth)
        squeeze = rng.uniform(0.12, 0.4) if rng.random() < 0.6 else rng.uniform(0.6, 1.0)
        queue.add(depth, _two_wheeler, scene, motor, True, lateral, depth, squeeze, rng)


def stands(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """Bicycles, one to three at a spot, and motorcycles that stand on the sidewalks."""
    for motor, density in ((False, layout.parked_bicycles_per_10m), (True, layout.parked_motorcycles_per_10m)):
        for kerb, walk in zip(street.kerbs, street.walks):
            for first in spots(rng, 4.0, 45.0, density, 1.0):
                for i in range(1 if motor else int(rng.integers(1, 4))):
                    depth = first + 0.7 * i
                    lateral = kerb + (walk - kerb) * rng.choice((0.2, 0.85)) + scene.axis(depth)
                    queue.add(depth, _two_wheeler, scene, motor, False, lateral, depth, rng.uniform(0.4, 1.0), rng)
