"""Draws one street: geometry, classes and instances, and nothing that a camera or a renderer would add.

`draw_scene` is a function of a layout and a seed alone. Painting order: the street's end, the ground, what lines the
street (far to near), then what stands between the building lines (far to near).
"""

import numpy as np

from ..labels import ID
from . import roadside, scenery, traffic
from .camera import NEAR, Camera
from .figures import bar
from .ranges import Layout
from .scenery import FAR, Street
from .shapes import BARS, BRICKS, FRONT, PLAIN, WINDOWS, Queue, Scene, Shape

__all__ = ['draw_scene']


def draw_scene(layout: Layout, seed: int | np.random.SeedSequence) -> Scene:
    """The scene of a seed: the same for any image size and any look."""
    rng = np.random.default_rng(seed)
    camera = Camera(rng.uniform(*layout.camera_height), rng.uniform(*layout.focal), rng.uniform(*layout.horizon))
    scene = Scene(camera, curvature=rng.uniform(*layout.curvature))
    street = scenery.draw_street(rng, layout)
    if rng.random() < layout.crossing:
        near = rng.uniform(9.0, 45.0)
        scene.crossing = (near, near + rng.uniform(6.0, 11.0))
    tram = bool(rng.random() < layout.tram)
    _skyline(scene, layout, rng)
    scenery.ground(scene, street, layout, rng, tram)
    queue = Queue()
    _frontage(scene, street, layout, rng, queue)
    queue.paint()
    for place in (_furniture, traffic.parked, traffic.driving, traffic.people, traffic.riders, traffic.stands):
        place(scene, street, layout, rng, queue)
    if tram:
        traffic.tram(scene, street, rng, queue)
    if rng.random() < 0.04:
        queue.add(60.0, _bridge, scene, street)
    queue.paint()
    if rng.random() < layout.bonnet:
        _bonnet(scene, rng)
    return scene


def _skyline(scene: Scene, layout: Layout, rng: np.random.Generator) -> None:
    """Buildings and woods far ahead, which close the street."""
    x = -110.0
    while x < 110.0:
        width, height = rng.uniform(10, 30), rng.uniform(*layout.skyline)
        depth = FAR + rng.uniform(0, 30)
        if rng.random() < 0.5:
            outline = np.array([(x, 0), (x + width, 0), (x + width, height), (x, height)])
            shape = scene.camera.upright(outline, 0.0, depth)
            facade = Shape([shape], ID['building'], scene.swatch('facade'), FRONT, depth, pattern=WINDOWS)
            scene.shapes.append(facade)
        else:
            roadside.bushes(scene, x - 3, x + width + 3, depth, height * 0.7, rng)
        x += width * rng.uniform(0.7, 1.1)


def _frontage(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """What lines both sides of the street, segment by segment."""
    for side, line in zip((-1, 1), street.lines):
        depth = rng.uniform(-15.0, 2.0)
        while depth < FAR - 10:
            kind = traffic.weighted(rng, layout.segments)
            end = depth + rng.uniform(*layout.building_length) * (1.0 if kind == 'building' else 1.2)
            if depth < scene.crossing[1] and end > scene.crossing[0]:  # leave the side street free
                if depth < scene.crossing[0] - 4:
                    end = scene.crossing[0]
                else:
                    depth = scene.crossing[1]
                    continue
            if end > NEAR + 0.5:
                x = line + scene.axis(max(depth, 0.0))
                queue.add(depth, _segment, scene, layout, kind, side, x, depth, end, rng)
            depth = end + (rng.uniform(0.0, 5.0) if rng.random() < 0.25 else 0.0)


def _segment(
    scene: Scene, layout: Layout, kind: str, side: int, x: float, near: float, far: float, rng: np.random.Generator
) -> None:
    """One building, or what stands where none does: trees behind a wall or fence, a park, open land."""
    if kind == 'building':
        scenery.building(scene, x, near, far, rng.uniform(*layout.building_height), side, rng)
        return
    back = far if near < 12 else near + 6
    if kind != 'open' and rng.random() < 0.7:
        for depth in sorted(rng.uniform(max(near, 4.0), max(far, 6.0), 3), reverse=True):
            roadside.plant(scene, x + side * rng.uniform(3, 9), depth, rng, layout.palms * 0.5, layout.bare)
    if kind == 'park':
        scenery.strip(scene, *sorted((x, x + side * 40)), ID['terrain'], scene.swatch('grass'), max(near, NEAR), far)
        for depth in np.linspace(far, max(near, 5.0), 4):
            roadside.plant(scene, x + side * rng.uniform(1.5, 12), depth, rng, layout.palms * 0.5, layout.bare)
    elif kind == 'open':
        scenery.strip(scene, *sorted((x, x + side * 40)), ID['terrain'], scene.swatch('grass'), max(near, NEAR), far)
        roadside.bushes(scene, *sorted((x + side * 8, x + side * 60)), back + 8, rng.uniform(1.5, 5.0), rng)
    elif kind == 'wall':
        scenery.block(scene, x, near, far, rng.uniform(1.2, 3.2), ID['wall'], 'wall', side, BRICKS)
    elif rng.random() < 0.12:
        scenery.block(scene, x, near, far, 0.8, ID['guard rail'], 'rail', side, PLAIN)
    else:
        scenery.block(scene, x, near, far, rng.uniform(1.0, 2.2), ID['fence'], 'fence', side, BARS)


def _furniture(scene: Scene, street: Street, layout: Layout, rng: np.random.Generator, queue: Queue) -> None:
    """Street trees, poles with signs, traffic lights before a crossing, bins and boxes."""
    for side, kerb, walk in zip((-1, 1), street.kerbs, street.walks):
        at = kerb + side * 0.5
        for depth in traffic.spots(rng, 5.0, 90.0, layout.trees_per_10m * rng.choice((0.0, 1.0, 1.6)), 4.0):
            queue.add(depth, roadside.plant, scene, at + scene.axis(depth), depth, rng, layout.palms, layout.bare)
        depth = rng.uniform(4.0, 16.0)
        while depth < 90.0:
            x = at + scene.axis(depth)
            queue.add(depth, roadside.pole, scene, x, depth, rng.uniform(5.0, 9.0), -side * rng.uniform(0.8, 2.2))
            if rng.random() < layout.signs:
                near = depth + rng.uniform(-6.0, 6.0)
                if near > 4.5:
                    queue.add(near, roadside.sign, scene, at + scene.axis(near), near, rng.uniform(2.0, 3.0), rng)
            depth += rng.uniform(*layout.pole_spacing)
        for depth in traffic.spots(rng, 4.0, 50.0, layout.street_furniture_per_10m, 2.0):
            lateral = kerb + (walk - kerb) * rng.uniform(0.2, 0.9) + scene.axis(depth)
            queue.add(depth, traffic.vehicle, scene, 'bin', lateral, depth, 0.0, rng)
        junction = scene.crossing[0] or rng.uniform(10.0, 30.0)
        if rng.random() < (layout.lights if scene.crossing[1] else layout.lights * 0.45):
            arm = -side * rng.uniform(2.0, 4.0) if rng.random() < 0.5 else 0.0
            depth = max(junction - 1.0, 6.0)
            height = rng.uniform(4.6, 5.6) if arm else rng.uniform(2.9, 3.6)
            queue.add(depth, roadside.traffic_light, scene, at + scene.axis(depth), depth, height, arm, rng)


def _bridge(scene: Scene, street: Street) -> None:
    """A road bridge over the street, 60 m ahead."""
    swatch = scene.swatch('concrete')
    deck = np.array([(-80, 5.2), (80, 5.2), (80, 7.4), (-80, 7.4)])
    pillars = [bar(x, 0, x, 5.3, 1.2) for x in (street.walks[0] - 1.0, street.walks[1] + 1.0)]
    for outline in (deck, *pillars):
        scene.shapes.append(Shape([scene.camera.upright(outline, 0.0, 60.0)], ID['bridge'], swatch, FRONT, 60.0))


def _bonnet(scene: Scene, rng: np.random.Generator) -> None:
    """The ego vehicle's bonnet along the image's lower edge."""
    turn = np.linspace(-1, 1, 15)
    rise = rng.uniform(0.04, 0.11)
    outline = np.stack((turn * 1.3, 1.0 - rise * (1 - 0.8 * np.abs(turn) ** 2.5)), -1)
    outline = np.concatenate((outline, [(1.3, 1.1), (-1.3, 1.1)]))
    scene.shapes.append(Shape([outline], ID['ego vehicle'], scene.swatch('bonnet'), FRONT, 1.5, (0.0, 0.8, -0.6)))
