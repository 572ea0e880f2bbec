"""The street itself: the ground and its strips, and the buildings, walls and fences along it.

Builders add `Shape`s; `Street` holds the cross-section (lateral positions in metres from the street's axis) that all
builders share.
"""

from dataclasses import dataclass

import numpy as np

from ..labels import ID
from .camera import NEAR, Camera
from .ranges import Layout
from .shapes import FRONT, GROUND, SIDE, UP, WINDOWS, Marking, Scene, Shape

__all__ = ['FAR', 'Street', 'block', 'building', 'draw_street', 'ground', 'side_face', 'strip']

FAR = 140.0  # metres; the skyline closes the street here
_DEPTHS = np.geomspace(NEAR, FAR, 16)


@dataclass(frozen=True)
class Street:
    """Lateral positions in metres: `kerbs` (left, right), `walks` (outer edges of the sidewalks), `lines` (building
    lines), and the lane edges between the kerbs."""

    kerbs: tuple[float, float]
    walks: tuple[float, float]
    lines: tuple[float, float]
    lanes: tuple[float, ...]
    verges: tuple[bool, bool]


def draw_street(rng: np.random.Generator, layout: Layout) -> Street:
    """A cross-section; the ego vehicle drives at X = 0 in the right-hand half."""
    ahead, back = (int(rng.integers(layout.lanes[0], layout.lanes[1] + 1)) for _ in range(2))
    ego_lane = int(rng.integers(0, ahead))  # lanes to the right of ours
    width = rng.uniform(*layout.lane_width)
    right = width * (0.5 + ego_lane) + rng.uniform(0.2, 2.4)
    left = -width * (ahead - ego_lane - 0.5 + back) - rng.uniform(0.2, 2.4)
    edges = tuple(width * (ego_lane + 0.5 - i) for i in range(ahead + back + 1))
    walks = left - rng.uniform(*layout.sidewalk), right + rng.uniform(*layout.sidewalk)
    verges = bool(rng.random() < layout.verge), bool(rng.random() < layout.verge)
    lines = tuple(
        walk + side * (rng.uniform(*layout.setback) + verge * rng.uniform(1.5, 4.0))
        for walk, side, verge in zip(walks, (-1, 1), verges)
    )
    return Street((left, right), walks, lines, edges, verges)


def strip(
    scene: Scene, left: float, right: float, label: int, swatch: int, near: float = NEAR, far: float = FAR
) -> None:
    """A strip of ground along the street between two lateral positions."""
    depths = np.clip(_DEPTHS, near, far)
    a, b = (scene.camera.ground(x + scene.axis(depths), depths) for x in (left, right))
    scene.shapes.append(Shape([np.concatenate((a, b[::-1]))], label, swatch, GROUND, 0.0, UP))


def ground(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, tram: bool) -> None:
    """Everything flat: wide ground, grass, sidewalks with kerbs, parking, the road, its markings and tracks."""
    base = 'terrain' if rng.random() < 0.5 else 'ground'
    strip(scene, -400, 400, ID[base], scene.swatch('grass' if base == 'terrain' else 'ground'))
    paving, kerb, grass = (scene.swatch(name) for name in ('paving', 'kerb', 'grass'))
    for side, walk, line, verge in zip((-1, 1), street.walks, street.lines, street.verges):
        strip(
            scene, *sorted((walk, line + side * 2)), ID['terrain' if verge else 'sidewalk'], grass if verge else paving
        )
    strip(scene, street.walks[0], street.walks[1], ID['sidewalk'], paving)
    strip(scene, street.kerbs[0] - 0.2, street.kerbs[1] + 0.2, ID['sidewalk'], kerb)
    asphalt = scene.swatch('asphalt')
    if scene.crossing[1]:
        strip(scene, -400, 400, ID['road'], asphalt, *scene.crossing)
    strip(scene, *street.kerbs, ID['road'], asphalt)
    if street.kerbs[1] - street.lanes[0] > 1.8:
        strip(scene, street.lanes[0], street.kerbs[1], ID['parking'], scene.swatch('parking'))
    # where there is nothing to choose, nothing is drawn at random: those pictures stay what they were
    lined = layout.edge_lines == 1 or rng.random() < layout.edge_lines
    for i, edge in enumerate(street.lanes):
        middle = abs(edge - street.lanes[len(street.lanes) // 2]) < 0.1
        border = i in (0, len(street.lanes) - 1)
        dash, period = (0.0, 0.0) if border or (middle and rng.random() < 0.5) else (4.0, 9.0)
        scene.markings.append(Marking(edge, 0.16 if lined or not border else 0.0, dash, period))
    if tram:
        rail = scene.swatch('rail')
        middle = street.lanes[-1] + 1.7
        for x in (middle - 0.75, middle + 0.75):
            strip(scene, x - 0.09, x + 0.09, ID['rail track'], rail)


def side_face(camera: Camera, x: float, near: float, far: float, low: float, high: float) -> np.ndarray:
    """The outline of an upright face along the street."""
    near, far = max(near, NEAR), max(far, NEAR + 0.1)
    return camera.project(np.array([(x, low, near), (x, low, far), (x, high, far), (x, high, near)]))


def block(
    scene: Scene,
    x: float,
    near: float,
    far: float,
    height: float,
    label: int,
    material: str,
    side: int,
    pattern: int,
    pitch: tuple[float, float, float] = (1.0, 1.0, 0.0),
) -> int:
    """A box at the lateral position `x`: its face along the street and the one towards the camera; its swatch."""
    swatch, camera, z0 = scene.swatch(material), scene.camera, max(near, NEAR)
    x1 = x + side * (14.0 if label == ID['building'] else 0.3)
    end = camera.project(np.array([(x, 0, z0), (x1, 0, z0), (x1, height, z0), (x, height, z0)]))
    scene.shapes.append(Shape([end], label, swatch, FRONT, z0, pattern=pattern, pitch=pitch))
    face = side_face(camera, x, near, far, 0.0, height)
    scene.shapes.append(Shape([face], label, swatch, SIDE, x, (-float(side), 0.0, 0.0), 0, pattern, pitch))
    footprint = np.array([(x, z0), (x, far), (x1, far), (x1, z0)])
    scene.shadows.append((footprint, height))
    return swatch


def building(
    scene: Scene, x: float, near: float, far: float, height: float, side: int, rng: np.random.Generator
) -> None:
    """A house: windows, a shop on the ground floor now and then, and a pitched roof or a cornice."""
    camera, label, z0 = scene.camera, ID['building'], max(near, NEAR)
    outward = (-float(side), 0.0, 0.0)
    pitch = (rng.uniform(2.2, 4.5), rng.uniform(2.7, 3.6), rng.uniform(0.2, 1.4))
    swatch = block(scene, x, near, far, height, label, 'facade', side, WINDOWS, pitch)
    shop = rng.random()
    if shop < 0.35:
        low, wide = side_face(camera, x, near, far, 0.0, 3.1), (pitch[0] * 1.4, 3.2, 0.5)
        scene.shapes.append(Shape([low], label, scene.swatch('shop'), SIDE, x, outward, 0, WINDOWS, wide))
    if shop < 0.15:
        x1 = x - side * 1.1
        awning = camera.project(np.array([(x, 3.2, z0), (x, 3.2, far), (x1, 2.6, far), (x1, 2.6, z0)]))
        scene.shapes.append(Shape([awning], label, scene.swatch('awning'), FRONT, z0, UP))
    if rng.random() < 0.5:
        top, back = height + rng.uniform(1.5, 4.0), x + side * 3.0
        roof = np.array([(x, height, z0), (x, height, far), (back, top, far), (back, top, z0)])
        gable = np.array([(x, height, z0), (x + side * 6.0, height, z0), (back, top, z0)])
        scene.shapes.append(Shape([camera.project(gable)], label, swatch, FRONT, z0))
        slope = (-side * 0.6, 0.8, 0.0)
        scene.shapes.append(Shape([camera.project(roof)], label, scene.swatch('roof'), FRONT, z0, slope))
    else:
        cornice = side_face(camera, x - side * 0.25, near, far, height - 0.3, height + 0.15)
        scene.shapes.append(Shape([cornice], label, scene.swatch('trim'), SIDE, x, outward))
