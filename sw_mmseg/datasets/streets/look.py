"""One picture's look, drawn from a domain's ranges: light, weather, camera settings and the colour of every swatch."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .materials import PALETTES
from .ranges import Look
from .shapes import Scene

__all__ = ['Shot', 'draw_shot', 'hsv_to_rgb', 'material_colors', 'swatch_traits']


@dataclass(frozen=True)
class Shot:
    """The settings of one picture; fields named as in `Look` are in its units and inside its ranges."""

    palette: str
    sun_elevation: float
    sun_azimuth: float  # radians; 0 is straight ahead of the camera
    overcast: float
    visibility: float
    raining: bool
    drops: bool
    exposure: float
    contrast: float
    saturation: float
    warmth: float
    tint: float
    texture: float
    blur: float
    sharpen: float
    noise: float
    vignette: float
    swatch_spread: float


_DRAWN = (
    'sun_elevation',
    'overcast',
    'exposure',
    'contrast',
    'saturation',
    'warmth',
    'tint',
    'texture',
    'blur',
    'sharpen',
    'noise',
    'vignette',
    'swatch_spread',
)


def draw_shot(look: Look, rng: np.random.Generator) -> Shot:
    """One picture's settings. Rain never falls from a clear sky: it draws the upper half of `overcast`."""
    values = {name: float(rng.uniform(*getattr(look, name))) for name in _DRAWN}
    low, high = np.log(look.visibility)
    raining = bool(rng.random() < look.rain)
    if raining:
        values['overcast'] = float(rng.uniform(sum(look.overcast) / 2, look.overcast[1]))
    return Shot(
        palette=look.palette,
        sun_azimuth=float(rng.uniform(-np.pi, np.pi)),
        visibility=float(np.exp(rng.uniform(low, high))),
        raining=raining,
        drops=bool(raining and rng.random() < look.drops),
        **values,
    )


@cache
def _table(palette: str) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Material numbers, their colour ranges (M, K, 3, 2) and how many of the K each has."""
    materials = PALETTES[palette]
    widest = max(len(material.colors) for material in materials.values())
    ranges = np.zeros((len(materials), widest, 3, 2))
    for row, material in enumerate(materials.values()):
        ranges[row, : len(material.colors)] = material.colors
    counts = np.array([len(material.colors) for material in materials.values()])
    return {name: i for i, name in enumerate(materials)}, ranges, counts


def hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """(n, 3) hue in degrees, saturation and value in 0..1, to RGB in 0..1."""
    sector = (hsv[:, 0:1] / 60.0 + np.array((5.0, 3.0, 1.0))) % 6.0
    return hsv[:, 2:3] * (1 - hsv[:, 1:2] * np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0))


def material_colors(names: list[str], shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """A colour for each named material, (n, 3) RGB in 0..1. An unknown name is a `KeyError`."""
    numbers, ranges, counts = _table(shot.palette)
    rows = np.array([numbers[name] for name in names])
    choice = (rng.random(len(rows)) * counts[rows]).astype(int)
    where = 0.5 + (rng.random((len(rows), 3)) - 0.5) * shot.swatch_spread
    chosen = ranges[rows, choice]
    return hsv_to_rgb(chosen[..., 0] + (chosen[..., 1] - chosen[..., 0]) * where)


def swatch_traits(scene: Scene, shot: Shot) -> np.ndarray:
    """Grain, scale and glow of every swatch, (n, 3)."""
    materials = PALETTES[shot.palette]
    traits = [(materials[name].grain, materials[name].scale, materials[name].glow) for name in scene.swatches]
    return np.array(traits, np.float32).reshape(-1, 3)
