"""What stands at the roadside: trees and hedges, poles, lights and signs, as flat figures that face the camera."""

import numpy as np

from ..labels import ID
from .figures import bar, bare_tree, blob, disc, palm, tree
from .shapes import FRONT, PLAIN, TWIGS, Scene, Shape

__all__ = ['bushes', 'figure', 'plant', 'pole', 'sign', 'traffic_light']


def figure(
    scene: Scene,
    parts: list,
    lateral: float,
    depth: float,
    label: int,
    instance: int = 0,
    scale: float = 1.0,
    labels: dict[str, int] | None = None,
) -> None:
    """Adds a flat figure; `labels` overrides the class of single materials. Equal materials share a swatch."""
    swatches: dict[str, int] = {}
    for material, contours in parts:
        if material not in swatches:
            swatches[material] = scene.swatch(material)
        outlines = [scene.camera.upright(contour * scale, lateral, depth) for contour in contours]
        part_label = (labels or {}).get(material, label)
        pattern = TWIGS if material == 'twigs' else PLAIN
        shape = Shape(outlines, part_label, swatches[material], FRONT, depth, instance=instance, pattern=pattern)
        scene.shapes.append(shape)


def plant(
    scene: Scene, lateral: float, depth: float, rng: np.random.Generator, palms: float = 0.0, bare: float = 0.0
) -> None:
    """A tree or palm, with its shadow; `palms` and `bare` are the shares of palms and of trees without leaves."""
    if rng.random() < palms:
        parts, height = palm(rng, rng.uniform(6.0, 10.0)), 6.0
    else:
        height = rng.uniform(5.0, 12.0)
        slender = rng.uniform(0.0, 0.8)
        leafless = bare > 0 and rng.random() < bare
        parts = bare_tree(rng, height, slender) if leafless else tree(rng, height, slender)
    figure(scene, parts, lateral, depth, ID['vegetation'])
    scene.shadows.append((disc(lateral, depth, height * 0.22), height * 0.6))


def bushes(scene: Scene, x0: float, x1: float, depth: float, height: float, rng: np.random.Generator) -> None:
    """A hedge or distant wood across the view."""
    count = 26
    across = np.linspace(x0, x1, count)
    top = height * (0.75 + 0.25 * rng.random(count))
    outline = np.concatenate((np.stack((across, top), -1), [(x1, -0.05), (x0, -0.05)]))
    figure(scene, [('leaf shade', [outline])], 0.0, depth, ID['vegetation'])
    figure(
        scene,
        [('leaf', [blob(rng, x, height * 0.55, (x1 - x0) / 12, height * 0.3)]) for x in across[3:-3:5]],
        0.0,
        depth,
        ID['vegetation'],
    )


def pole(scene: Scene, lateral: float, depth: float, height: float, arm: float) -> None:
    """A lamp post with an arm of `arm` metres."""
    parts = [('metal', [bar(0, 0, 0, height, 0.11)])]
    if arm:
        parts += [
            ('metal', [bar(0, height, arm, height + 0.3, 0.1)]),
            ('metal', [bar(arm * 0.7, height + 0.2, arm * 1.1, height + 0.3, 0.2)]),
        ]
    figure(scene, parts, lateral, depth, ID['pole'])


def sign(scene: Scene, lateral: float, depth: float, height: float, rng: np.random.Generator) -> None:
    """A traffic sign on its pole: a disc, triangle, square or a wide board."""
    size = rng.uniform(0.34, 0.5)
    kind = int(rng.integers(0, 4))
    material = 'sign back' if rng.random() < 0.15 else ('sign red', 'sign red', 'sign blue', 'sign board')[kind]
    outer = (
        disc(0, height, size, 12),
        disc(0, height, size * 1.1, 3),
        disc(0, height, size * 1.15, 4),
        np.array([(-1.0, -0.4), (1.0, -0.4), (1.0, 0.4), (-1.0, 0.4)]) * size * 1.6 + (0, height),
    )[kind]
    if kind == 1:
        outer = np.stack(((outer[:, 1] - height), (outer[:, 0] + height)), -1)
    parts = [('metal', [bar(0, 0, 0, height, 0.08)]), (material, [outer])]
    if material != 'sign back':
        parts.append(('sign white', [outer.mean(0) + (outer - outer.mean(0)) * (0.62 if kind < 2 else 0.4)]))
    figure(scene, parts, lateral, depth, ID['traffic sign'], labels={'metal': ID['pole']})


def traffic_light(
    scene: Scene, lateral: float, depth: float, height: float, arm: float, rng: np.random.Generator
) -> None:
    """A signal head on a pole, and over the road when `arm` (metres, signed) is not 0; one of three lamps is lit."""
    lit, parts = int(rng.integers(0, 3)), [('metal', [bar(0, 0, 0, height + 0.5, 0.12)])]
    if arm:
        parts.append(('metal', [bar(0, height + 0.5, arm, height + 0.6, 0.12)]))
    for x, y in ((0.0, height - 0.6),) + (((arm, height),) if arm else ()):
        parts.append(('housing', [np.array([(-0.23, -0.6), (0.23, -0.6), (0.23, 0.6), (-0.23, 0.6)]) + (x, y)]))
        for i, (name, dy) in enumerate((('lamp red', 0.36), ('lamp amber', 0.0), ('lamp green', -0.36))):
            parts.append((name if i == lit else 'lamp off', [disc(x, y + dy, 0.15, 8)]))
    figure(scene, parts, lateral, depth, ID['traffic light'], labels={'metal': ID['pole']})
