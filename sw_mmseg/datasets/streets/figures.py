"""Flat figures: people, bicycles, motorcycles and trees, drawn upright and facing the camera.

Each function gives parts, `(material, contours)`, in painting order and in local metres: x from the figure's middle,
y from the ground. A figure seen at an angle is the same figure made narrower.
"""

import math
from functools import cache

import numpy as np

__all__ = [
    'bar',
    'bare_tree',
    'bicycle',
    'blob',
    'disc',
    'motorcycle',
    'palm',
    'person',
    'rider',
    'tree',
    'unit_circle',
]

Part = tuple[str, list[np.ndarray]]


@cache
def unit_circle(count: int) -> np.ndarray:
    """`count` points (count, 2) on the circle of radius 1, counter-clockwise from (1, 0)."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack((np.cos(turn), np.sin(turn)), axis=-1)


def disc(x: float, y: float, radius: float, count: int = 12, squeeze: float = 1.0) -> np.ndarray:
    """A polygon (count, 2) near a circle; `squeeze` scales it across."""
    return unit_circle(count) * (squeeze * radius, radius) + (x, y)


def bar(x0: float, y0: float, x1: float, y1: float, width: float) -> np.ndarray:
    """A straight limb or rod from one point to another, as a quadrilateral."""
    half = width / 2 / (math.hypot(x1 - x0, y1 - y0) + 1e-9)
    dx, dy = (y0 - y1) * half, (x1 - x0) * half
    return np.array(((x0 - dx, y0 - dy), (x1 - dx, y1 - dy), (x1 + dx, y1 + dy), (x0 + dx, y0 + dy)))


def person(rng: np.random.Generator) -> list[Part]:
    """Someone who stands or walks, 1.75 m tall, a bag now and then."""
    stride, swing = rng.uniform(0.04, 0.34), rng.uniform(-0.16, 0.16)
    broad, skirt, facing = rng.uniform(0.19, 0.25), rng.random() < 0.25, rng.choice((-1, 1))
    parts: list[Part] = [
        ('trousers', [bar(-0.06, 0.88, -stride, 0.04, 0.17), bar(-stride, 0.04, -stride + 0.12 * facing, 0.03, 0.08)]),
        ('trousers', [bar(0.07, 0.88, stride * 0.8, 0.04, 0.17)]),
        ('shirt', [bar(-broad, 1.38, -broad - 0.04 + swing, 0.86, 0.11)]),
        ('shirt', [np.array([(-0.17, 0.82), (0.17, 0.82), (broad, 1.40), (0.1, 1.5), (-0.1, 1.5), (-broad, 1.40)])]),
        ('shirt', [bar(broad, 1.38, broad + 0.04 - swing, 0.86, 0.11)]),
        ('skin', [bar(0, 1.46, 0, 1.58, 0.12)]),
        ('skin', [disc(0.02 * facing, 1.64, 0.115, 10, 0.85)]),
        ('hair', [disc(-0.02 * facing, 1.70, 0.105, 10)]),
    ]
    if skirt:
        parts[1:1] = [('trousers', [np.array([(-0.17, 0.95), (0.17, 0.95), (0.3, 0.42), (-0.3, 0.42)])])]
    if rng.random() < 0.35:
        parts.append(('bag', [disc(-0.2 * facing, rng.uniform(0.75, 1.2), 0.17, 8, 0.7)]))
    return parts


def bicycle(squeeze: float) -> list[Part]:
    """A bicycle from the side, 1.75 m long; the wheels' discs belong to it as annotators paint them."""
    x, r = 0.53 * squeeze, 0.34
    parts: list[Part] = []
    for side in (-x, x):
        parts.append(('spokes', [disc(side, r, r, 14, max(squeeze, 0.16))]))
        parts.append(
            ('tyre', [disc(side, r, r, 14, max(squeeze, 0.2)), disc(side, r, r - 0.07, 14, max(squeeze - 0.12, 0.08))])
        )
    saddle, hub, head = (-0.18 * squeeze, 0.9), (-0.02 * squeeze, 0.32), (0.4 * squeeze, 0.88)
    for a, b in ((saddle, hub), (hub, head), (saddle, head), ((-x, r), saddle), ((-x, r), hub), ((x, r), head)):
        parts.append(('frame', [bar(*a, *b, 0.06)]))
    parts.append(('dark', [bar(saddle[0] - 0.13, 0.96, saddle[0] + 0.13, 0.97, 0.08)]))
    parts.append(('dark', [bar(head[0] - 0.12, 1.03, head[0] + 0.1, 1.0, 0.06)]))
    return parts


def motorcycle(squeeze: float) -> list[Part]:
    """A motorcycle or scooter from the side, 2.1 m long."""
    x, r = 0.68 * squeeze, 0.31
    wide = max(squeeze, 0.35)
    parts: list[Part] = []
    for side in (-x, x):
        parts.append(('tyre', [disc(side, r, r, 12, wide)]))
        parts.append(('chrome', [disc(side, r, r * 0.5, 10, wide)]))
    body = np.array(
        [
            (-0.85, 0.62),
            (-0.35, 0.28),
            (0.35, 0.28),
            (0.62, 0.62),
            (0.5, 1.02),
            (0.3, 1.0),
            (0.15, 0.8),
            (-0.3, 0.76),
            (-0.8, 0.86),
        ]
    ) * (wide, 1.0)
    parts.append(('dark', [np.array([(-0.4, 0.22), (0.4, 0.22), (0.4, 0.55), (-0.4, 0.55)]) * (wide, 1.0)]))
    parts.append(('paint', [body]))
    parts.append(('dark', [bar(-0.7 * wide, 0.86, 0.0, 0.82, 0.12)]))
    parts.append(('chrome', [bar(x, r, 0.42 * wide, 1.02, 0.08)]))
    parts.append(('dark', [bar(0.3 * wide, 1.1, 0.55 * wide, 1.04, 0.07)]))
    return parts


def rider(squeeze: float, upright: float, helmet: bool) -> list[Part]:
    """Someone who sits on a two-wheeler of the same `squeeze`; `upright` 0 leans to the handlebar, 1 does not."""
    hip, neck = (-0.16 * squeeze, 0.98), ((0.28 - 0.3 * upright) * squeeze, 1.48)
    hand, foot = (0.36 * squeeze, 1.05), (0.04 * squeeze, 0.32)
    knee = ((0.3) * squeeze + 0.02, 0.68)
    spread = 0.13 * (1 - squeeze)  # from behind, the two legs stand apart
    parts: list[Part] = []
    for side in (-1, 1):
        parts.append(('trousers', [bar(hip[0] + side * spread, hip[1], knee[0] + side * spread * 1.6, knee[1], 0.17)]))
        parts.append(
            ('trousers', [bar(knee[0] + side * spread * 1.6, knee[1], foot[0] + side * spread, foot[1], 0.13)])
        )
    width = 0.27 + 0.17 * (1 - squeeze)
    parts += [
        ('shirt', [bar(hip[0], hip[1] - 0.06, neck[0], neck[1], width)]),
        ('shirt', [bar(neck[0], neck[1] - 0.08, hand[0], hand[1], 0.1)]),
        ('skin', [disc(neck[0] + 0.08 * squeeze, neck[1] + 0.17, 0.12, 10, 0.9)]),
        ('helmet' if helmet else 'hair', [disc(neck[0] + 0.05 * squeeze, neck[1] + 0.23, 0.12, 10)]),
    ]
    return parts


def blob(rng: np.random.Generator, x: float, y: float, width: float, height: float, count: int = 22) -> np.ndarray:
    """An uneven round outline (count, 2): foliage."""
    reach = 0.86 + 0.28 * rng.random((count, 1))
    return unit_circle(count) * reach * (width, height) + (x, y)


def tree(rng: np.random.Generator, height: float, slender: float) -> list[Part]:
    """A trunk and a crown of blobs; `slender` 0 is broad, 1 a poplar. The crown begins at a quarter of the height."""
    radius = height * (0.34 - 0.2 * slender)
    middle = height * 0.64
    parts: list[Part] = [('trunk', [bar(0, 0, rng.uniform(-0.2, 0.2), middle, 0.14 + 0.02 * height)])]
    for i in range(4):  # from below to the top, near enough to each other to hang together
        x = rng.uniform(-0.45, 0.45) * radius
        y = max(middle + (0.13 * (i - 1.5) + rng.uniform(-0.04, 0.04)) * height, height * 0.25 + 0.4)
        scale = rng.uniform(0.6, 0.85)
        crown = blob(rng, x, y, radius * scale, height * 0.26 * scale)
        parts.append(('leaf' if i % 2 else 'leaf shade', [crown]))
    return parts


def _branches(rng: np.random.Generator, x: float, y: float, angle: float, length: float, width: float, levels: int):
    """Bars of a branch and of those that it divides into."""
    tip = (x + length * math.cos(angle), y + length * math.sin(angle))
    bars = [bar(x, y, *tip, width)]
    if levels:
        for turn in rng.uniform(-0.75, 0.75, 3):
            bars += _branches(rng, *tip, angle + turn, length * rng.uniform(0.55, 0.85), width * 0.6, levels - 1)
    return bars


def bare_tree(rng: np.random.Generator, height: float, slender: float) -> list[Part]:
    """A tree without leaves: a crown of twigs, through which one sees, around a trunk that divides three times."""
    radius, middle = height * (0.36 - 0.2 * slender), height * 0.64
    crown = blob(rng, 0.0, middle, radius, height * 0.36)
    width = 0.1 + 0.02 * height
    branches = _branches(rng, 0.0, 0.0, math.pi / 2 + rng.uniform(-0.06, 0.06), height * 0.34, width, 3)
    return [('twigs', [crown]), *(('trunk', [branch]) for branch in branches)]


def palm(rng: np.random.Generator, height: float) -> list[Part]:
    """A bare trunk with fronds."""
    lean = rng.uniform(-0.5, 0.5)
    parts: list[Part] = [('trunk', [bar(0, 0, lean, height, 0.3)])]
    for angle in np.linspace(-0.35, np.pi + 0.35, 9) + rng.uniform(-0.15, 0.15, 9):
        tip = np.array((lean + 2.4 * np.cos(angle), height + 1.2 * np.sin(angle) - 0.5))
        root, middle = np.array((lean, height)), np.array((lean + 1.3 * np.cos(angle), height + 1.25 * np.sin(angle)))
        parts.append(('leaf', [np.stack((root, middle + (0, 0.28), tip, middle - (0, 0.22)))]))
    return parts
