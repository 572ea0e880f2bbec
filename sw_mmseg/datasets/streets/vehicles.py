"""The vehicles, and the bins at the kerb, as solids: outlines and sizes in metres, and where their lights are."""

from collections.abc import Callable
from functools import cache

from .solids import Face, Model, across, disc, extrude, flatten, quad

__all__ = ['extent', 'materials', 'model']


def _add_wheels(faces: list[Face], axles: tuple[float, ...], radius: float, width: float) -> None:
    for side, face in ((1, faces[-2]), (-1, faces[-1])):
        for z in axles:
            face.append(('tyre', disc(z, radius, radius, side * width / 2)))
            face.append(('chrome', disc(z, radius, radius * 0.5, side * width / 2, 8)))


def _add_ends(faces: list[Face], outline: list[tuple[float, float]], width: float, lamp: float) -> None:
    """Lights, number plate and the wheels' treads at the rear (the first face) and at the front (the last edge)."""
    half = width / 2
    for face, (z, bottom), material in ((faces[0], outline[0], 'tail light'), (faces[-3], outline[-1], 'head light')):
        for side in (-1, 1):
            face.append((material, across(z, lamp - 0.09, lamp + 0.09, side * half * 0.94, side * half * 0.62)))
            face.append(('tyre', across(z, 0.0, bottom + 0.05, side * half * 0.95, side * half * 0.7)))
        face.append(('dark', across(z, bottom, bottom + 0.14, -half * 0.98, half * 0.98)))
        face.append(('plate', across(z, bottom + 0.18, bottom + 0.32, -0.26, 0.26)))


OUTLINES = {
    'sedan': [
        (-2.2, 0.32),
        (-2.25, 0.92),
        (-1.6, 1.0),
        (-0.95, 1.42),
        (0.45, 1.43),
        (1.2, 0.99),
        (2.1, 0.82),
        (2.2, 0.32),
    ],
    'hatchback': [
        (-1.9, 0.32),
        (-1.98, 0.95),
        (-1.85, 1.0),
        (-1.5, 1.47),
        (0.45, 1.5),
        (1.15, 1.03),
        (1.85, 0.86),
        (1.95, 0.32),
    ],
    'suv': [
        (-2.25, 0.4),
        (-2.3, 1.02),
        (-2.25, 1.08),
        (-1.95, 1.72),
        (0.6, 1.75),
        (1.25, 1.16),
        (2.15, 1.0),
        (2.25, 0.4),
    ],
    'van': [(-2.4, 0.36), (-2.45, 1.05), (-2.44, 1.1), (-2.3, 1.98), (1.2, 2.0), (2.0, 1.22), (2.4, 1.0), (2.45, 0.36)],
}


def _car(kind: str) -> list[Face]:
    outline, width = OUTLINES[kind], 1.8
    belt = outline[2][1] + 0.01
    faces = extrude(outline, width, belt, 'paint', {2, 4})
    rear, front = outline[3], outline[4]
    for side, face in ((1, faces[-2]), (-1, faces[-1])):
        x, roof = side * width / 2 * 0.93, rear[1] - 0.07
        base = belt + 0.03
        middle = (rear[0] + front[0]) / 2
        face.append(
            (
                'glass',
                quad(
                    [(outline[2][0] + 0.3, base), (middle - 0.05, base), (middle - 0.05, roof), (rear[0] + 0.12, roof)],
                    x,
                ),
            )
        )
        face.append(
            (
                'glass',
                quad(
                    [
                        (middle + 0.05, base),
                        (outline[5][0] - 0.22, base),
                        (front[0] - 0.03, roof),
                        (middle + 0.05, roof),
                    ],
                    x,
                ),
            )
        )
    _add_wheels(faces, (outline[0][0] + 0.85, outline[-1][0] - 0.85), 0.33, width)
    _add_ends(faces, outline, width, outline[1][1] - 0.2)
    return faces


def _box(z0: float, z1: float, y0: float, y1: float, width: float, paint: str, belt: float = 99.0) -> list[Face]:
    return extrude([(z0, y0), (z0, y1), (z1, y1), (z1, y0)], width, belt, paint, set())


def _truck() -> list[Face]:
    cargo = _box(-4.0, 1.6, 1.0, 3.4, 2.45, 'cargo')
    cargo[0] += [
        ('dark', across(-4.0, 0.35, 1.0, -1.1, 1.1)),
        ('tail light', across(-4.0, 0.8, 1.0, -1.15, -0.8)),
        ('tail light', across(-4.0, 0.8, 1.0, 0.8, 1.15)),
        ('tyre', across(-4.0, 0.0, 0.6, -1.1, -0.6)),
        ('tyre', across(-4.0, 0.0, 0.6, 0.6, 1.1)),
        ('plate', across(-4.0, 0.55, 0.7, -0.26, 0.26)),
        ('dark', across(-4.0, 1.1, 3.3, -0.03, 0.03)),
    ]
    cab_outline = [(1.8, 0.5), (1.8, 2.75), (3.0, 2.75), (3.7, 1.7), (3.75, 0.5)]
    cab = extrude(cab_outline, 2.4, 99.0, 'paint', {2})
    _add_ends(cab, cab_outline, 2.4, 0.85)
    del cab[0][1:]
    for side, face, box in ((1, cab[-2], cargo[-2]), (-1, cab[-1], cargo[-1])):
        face.append(('glass', quad([(2.3, 1.7), (3.55, 1.7), (3.0, 2.5), (2.3, 2.5)], side * 1.2)))
        box.append(('dark', quad([(-3.9, 0.55), (1.8, 0.55), (1.8, 1.0), (-3.9, 1.0)], side * 1.2)))
        box += [('tyre', disc(z, 0.5, 0.5, side * 1.22)) for z in (-3.0, -1.9)]
        face.append(('tyre', disc(2.7, 0.5, 0.5, side * 1.2)))
    return cargo + cab


def _coach(length: float, height: float, width: float, paint: str, panes: int, wheels: bool) -> list[Face]:
    """A bus or a tram car: a box with a band of windows on every side."""
    half, low, high = length / 2, height * 0.42, height * 0.80
    faces = _box(-half, half, 0.35, height, width, paint)
    pane = length / panes
    for side, face in ((1, faces[-2]), (-1, faces[-1])):
        x = side * width / 2
        for i in range(panes):
            z = -half + i * pane
            base = 0.5 if i % 4 == 2 else low  # a door now and then
            face.append(
                ('glass', quad([(z + 0.1, base), (z + pane - 0.1, base), (z + pane - 0.1, high), (z + 0.1, high)], x))
            )
        face.append(('trim', quad([(-half, 0.5), (half, 0.5), (half, 0.72), (-half, 0.72)], x)))
    if wheels:
        _add_wheels(faces, (-half + 2.2, half - 2.4), 0.48, width)
    for face, z, lamp in ((faces[0], -half, 'tail light'), (faces[2], half, 'head light')):
        face.append(('glass', across(z, low, high + 0.05, -width * 0.44, width * 0.44)))
        face.append(('display', across(z, high + 0.12, height - 0.12, -width * 0.3, width * 0.3)))
        face += [(lamp, across(z, 0.7, 0.95, side * width * 0.46, side * width * 0.33)) for side in (-1, 1)]
        face.append(('dark', across(z, 0.12, 0.5, -width * 0.47, width * 0.47)))
    return faces


def _caravan() -> list[Face]:
    faces = _box(-2.4, 2.4, 0.4, 2.5, 2.2, 'cargo')
    _add_wheels(faces, (0.0,), 0.34, 2.2)
    for face, z in ((faces[0], -2.4), (faces[2], 2.4)):
        face.append(('glass', across(z, 1.4, 2.1, -0.7, 0.7)))
    return faces


def _bin() -> list[Face]:
    return _box(-0.35, 0.35, 0.0, 1.1, 0.6, 'bin')


_MODELS: dict[str, Callable[[], list[Face]]] = {
    **{kind: (lambda kind=kind: _car(kind)) for kind in OUTLINES},
    'truck': _truck,
    'bus': lambda: _coach(11.5, 3.1, 2.5, 'bus', 8, True),
    'train': lambda: _coach(16.0, 3.5, 2.5, 'tram', 10, False),
    'caravan': _caravan,
    'bin': _bin,
}


@cache
def model(kind: str) -> Model:
    """The solid of a kind of vehicle, built once."""
    return flatten(_MODELS[kind]())


@cache
def extent(kind: str) -> tuple[float, float, float]:
    """Length, height and width in metres."""
    low, high = model(kind)[0].min(axis=0), model(kind)[0].max(axis=0)
    return high[2] - low[2], high[1], high[0] - low[0]


@cache
def materials(kind: str) -> tuple[str, ...]:
    """What it is made of, each material once."""
    return tuple(dict.fromkeys(name for names, _ in model(kind)[1] for name in names))
