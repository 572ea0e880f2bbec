"""What things are made of: colours and texture by material, one palette a domain.

A colour range is `(hue, saturation, value)` in degrees and 0..1, each (low, high); a material has one or several and an
object takes one at random. Where the palettes differ is half of the gap between the domains, and it is meant to
mislead: the game's asphalt is as dark as the camera's roofs, its sidewalks are as pale as the camera's facades, and its
green belongs to leaves alone.
"""

from dataclasses import dataclass

__all__ = ['PALETTES', 'Material', 'hsv']

Hsv = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Material:
    """`colors`: ranges; `grain`: relative amplitude of the texture; `scale`: metres of its coarsest blobs; `glow`:
    share of its own light, which neither sun nor night changes."""

    colors: tuple[Hsv, ...]
    grain: float = 0.08
    scale: float = 1.0
    glow: float = 0.0


def hsv(h0: float, h1: float, s0: float, s1: float, v0: float, v1: float) -> Hsv:
    """One range, written in a row."""
    return (h0, h1), (s0, s1), (v0, v1)


GREY, DARK, WHITE = (
    hsv(0, 360, 0.0, 0.06, 0.3, 0.6),
    hsv(0, 360, 0.0, 0.1, 0.05, 0.16),
    hsv(0, 60, 0.0, 0.05, 0.85, 0.97),
)

_SHARED = {
    'glass': Material((hsv(200, 220, 0.15, 0.4, 0.12, 0.3),), 0.05),
    'tyre': Material((DARK,), 0.05),
    'chrome': Material((hsv(0, 360, 0.0, 0.05, 0.5, 0.75),), 0.05),
    'tail light': Material((hsv(354, 362, 0.8, 0.95, 0.55, 0.8),), 0.0, glow=0.45),
    'head light': Material((hsv(40, 60, 0.02, 0.12, 0.9, 1.0),), 0.0, glow=0.6),
    'dark': Material((DARK,), 0.05),
    'plate': Material((hsv(45, 60, 0.0, 0.25, 0.8, 0.95),), 0.0),
    'bin': Material((hsv(90, 150, 0.2, 0.5, 0.2, 0.4), GREY), 0.05),
    'frame': Material((hsv(0, 360, 0.4, 0.9, 0.2, 0.7), DARK), 0.0),
    'spokes': Material((hsv(0, 360, 0.0, 0.1, 0.35, 0.5),), 0.25, 0.2),
    'skin': Material((hsv(14, 28, 0.3, 0.55, 0.4, 0.9),), 0.03),
    'hair': Material((hsv(20, 40, 0.2, 0.7, 0.06, 0.4), DARK), 0.1, 0.2),
    'helmet': Material((hsv(0, 360, 0.2, 0.9, 0.2, 0.95),), 0.0),
    'lamp red': Material((hsv(354, 364, 0.85, 0.95, 0.95, 1.0),), 0.0, glow=0.9),
    'lamp amber': Material((hsv(36, 44, 0.85, 0.95, 0.95, 1.0),), 0.0, glow=0.9),
    'lamp green': Material((hsv(140, 165, 0.7, 0.9, 0.85, 1.0),), 0.0, glow=0.9),
    'lamp off': Material((hsv(0, 360, 0.1, 0.3, 0.1, 0.18),), 0.0),
    'sign red': Material((hsv(350, 362, 0.75, 0.9, 0.65, 0.85),), 0.02),
    'sign blue': Material((hsv(212, 225, 0.75, 0.9, 0.5, 0.75),), 0.02),
    'sign white': Material((WHITE,), 0.02),
    'sign back': Material((hsv(0, 360, 0.0, 0.05, 0.4, 0.6),), 0.04),
    'display': Material((hsv(36, 46, 0.5, 0.8, 0.3, 0.6),), 0.3, 0.3, glow=0.5),
    'rail': Material((hsv(20, 40, 0.05, 0.2, 0.35, 0.5),), 0.08),
    'marking': Material((WHITE,), 0.1),
}

_GAME = {
    **_SHARED,
    'sky': Material((hsv(208, 218, 0.45, 0.62, 0.85, 0.97),)),
    'asphalt': Material((hsv(225, 250, 0.04, 0.10, 0.26, 0.36),), 0.09, 2.5),
    'parking': Material((hsv(225, 250, 0.04, 0.10, 0.33, 0.42),), 0.08, 2.0),
    'paving': Material((hsv(30, 44, 0.10, 0.20, 0.68, 0.80),), 0.06, 2.0),
    'kerb': Material((hsv(30, 44, 0.04, 0.10, 0.76, 0.88),), 0.04),
    'ground': Material((hsv(28, 40, 0.2, 0.35, 0.55, 0.68),), 0.12, 3.0),
    'grass': Material((hsv(80, 100, 0.5, 0.7, 0.40, 0.55), hsv(38, 48, 0.4, 0.5, 0.55, 0.68)), 0.22, 1.2),
    'facade': Material(
        (
            hsv(22, 42, 0.2, 0.5, 0.62, 0.88),
            hsv(8, 20, 0.35, 0.6, 0.5, 0.75),
            hsv(0, 60, 0.02, 0.08, 0.78, 0.92),
            hsv(185, 205, 0.15, 0.35, 0.6, 0.8),
        ),
        0.05,
        2.5,
    ),
    'shop': Material((hsv(0, 360, 0.3, 0.7, 0.4, 0.8),), 0.04),
    'awning': Material(
        (hsv(0, 20, 0.7, 0.9, 0.6, 0.8), hsv(140, 160, 0.5, 0.8, 0.3, 0.5), hsv(210, 225, 0.6, 0.8, 0.5, 0.7)), 0.03
    ),
    'roof': Material((hsv(10, 22, 0.5, 0.7, 0.45, 0.65), GREY), 0.12, 0.8),
    'trim': Material((hsv(30, 50, 0.03, 0.15, 0.75, 0.92),), 0.03),
    'wall': Material((hsv(24, 40, 0.2, 0.4, 0.6, 0.8), hsv(0, 60, 0.02, 0.06, 0.7, 0.85)), 0.1, 1.5),
    'fence': Material((hsv(0, 360, 0.0, 0.06, 0.75, 0.92), hsv(26, 36, 0.4, 0.6, 0.4, 0.55)), 0.08, 0.6),
    'metal': Material((hsv(200, 220, 0.03, 0.1, 0.5, 0.7),), 0.04),
    'housing': Material((hsv(44, 52, 0.75, 0.9, 0.65, 0.85), hsv(44, 52, 0.75, 0.9, 0.65, 0.85), DARK), 0.02),
    'sign board': Material((hsv(145, 160, 0.7, 0.9, 0.35, 0.5), hsv(46, 54, 0.8, 0.95, 0.8, 0.95)), 0.02),
    'leaf': Material((hsv(88, 112, 0.6, 0.8, 0.42, 0.58),), 0.28, 0.8),
    'leaf shade': Material((hsv(95, 118, 0.65, 0.85, 0.24, 0.36),), 0.3, 0.8),
    'trunk': Material((hsv(24, 34, 0.4, 0.6, 0.3, 0.42),), 0.2, 0.5),
    'paint': Material(
        (
            hsv(0, 360, 0.65, 0.95, 0.5, 0.9),
            hsv(0, 360, 0.65, 0.95, 0.5, 0.9),
            WHITE,
            DARK,
            hsv(355, 364, 0.8, 0.95, 0.6, 0.85),
        ),
        0.02,
    ),
    'cargo': Material((WHITE, hsv(0, 360, 0.5, 0.8, 0.5, 0.8)), 0.03),
    'bus': Material((hsv(200, 225, 0.6, 0.85, 0.6, 0.85), hsv(0, 60, 0.0, 0.05, 0.85, 0.95)), 0.02),
    'tram': Material((hsv(0, 60, 0.0, 0.06, 0.7, 0.85), hsv(40, 50, 0.7, 0.9, 0.75, 0.9)), 0.02),
    'shirt': Material((hsv(0, 360, 0.4, 0.9, 0.5, 0.95), WHITE), 0.06, 0.4),
    'trousers': Material((hsv(215, 235, 0.4, 0.7, 0.3, 0.55), hsv(35, 45, 0.25, 0.45, 0.55, 0.75)), 0.06, 0.4),
    'bag': Material((hsv(0, 360, 0.3, 0.8, 0.2, 0.6),), 0.05),
    'concrete': Material((hsv(40, 50, 0.05, 0.12, 0.65, 0.75),), 0.08, 3.0),
    'bonnet': Material((hsv(0, 360, 0.6, 0.9, 0.4, 0.8),), 0.0),
}

_CAMERA = {
    **_SHARED,
    'sky': Material((hsv(205, 225, 0.05, 0.25, 0.82, 0.95),)),
    'asphalt': Material((hsv(25, 60, 0.02, 0.08, 0.40, 0.54), hsv(200, 230, 0.02, 0.08, 0.32, 0.46)), 0.13, 2.0),
    'parking': Material((hsv(15, 40, 0.05, 0.15, 0.36, 0.50),), 0.16, 0.6),
    'paving': Material((hsv(200, 240, 0.02, 0.08, 0.44, 0.58), hsv(10, 25, 0.12, 0.25, 0.46, 0.58)), 0.14, 0.6),
    'kerb': Material((hsv(0, 60, 0.0, 0.06, 0.52, 0.66),), 0.08),
    'ground': Material((hsv(28, 45, 0.1, 0.25, 0.36, 0.48),), 0.2, 1.5),
    'grass': Material((hsv(65, 90, 0.3, 0.5, 0.32, 0.46), hsv(45, 65, 0.25, 0.4, 0.35, 0.48)), 0.3, 0.8),
    'facade': Material(
        (
            hsv(0, 60, 0.02, 0.12, 0.48, 0.68),
            hsv(36, 50, 0.15, 0.32, 0.5, 0.68),
            hsv(6, 20, 0.35, 0.55, 0.28, 0.45),
            hsv(200, 230, 0.03, 0.12, 0.32, 0.5),
        ),
        0.10,
        2.0,
    ),
    'shop': Material((hsv(0, 360, 0.1, 0.5, 0.15, 0.45),), 0.1),
    'awning': Material((hsv(0, 25, 0.4, 0.6, 0.35, 0.5), hsv(0, 360, 0.05, 0.2, 0.4, 0.6)), 0.05),
    'roof': Material((hsv(8, 20, 0.3, 0.5, 0.25, 0.38), hsv(220, 250, 0.03, 0.1, 0.2, 0.32)), 0.18, 0.6),
    'trim': Material((hsv(30, 50, 0.02, 0.1, 0.5, 0.72),), 0.06),
    'wall': Material((hsv(8, 25, 0.25, 0.45, 0.28, 0.42), hsv(40, 60, 0.03, 0.12, 0.42, 0.58)), 0.2, 0.8),
    'fence': Material(
        (hsv(100, 150, 0.1, 0.35, 0.15, 0.3), hsv(0, 360, 0.0, 0.08, 0.25, 0.4), hsv(24, 34, 0.3, 0.5, 0.25, 0.4)),
        0.12,
        0.5,
    ),
    'metal': Material((hsv(120, 220, 0.03, 0.12, 0.25, 0.42), hsv(0, 360, 0.0, 0.04, 0.5, 0.62)), 0.08),
    'housing': Material((DARK, hsv(110, 150, 0.2, 0.4, 0.1, 0.2)), 0.03),
    'sign board': Material((hsv(46, 54, 0.75, 0.9, 0.7, 0.85), hsv(212, 225, 0.6, 0.8, 0.45, 0.65), WHITE), 0.03),
    'leaf': Material(
        (hsv(72, 98, 0.38, 0.56, 0.28, 0.42), hsv(52, 70, 0.4, 0.6, 0.32, 0.46), hsv(85, 112, 0.35, 0.5, 0.22, 0.34)),
        0.4,
        0.6,
    ),
    'leaf shade': Material((hsv(80, 112, 0.35, 0.55, 0.15, 0.25),), 0.4, 0.6),
    'trunk': Material((hsv(20, 45, 0.1, 0.25, 0.16, 0.28),), 0.25, 0.4),
    'paint': Material(
        (
            hsv(0, 360, 0.0, 0.05, 0.55, 0.75),
            DARK,
            hsv(0, 360, 0.0, 0.06, 0.2, 0.35),
            WHITE,
            hsv(205, 230, 0.35, 0.6, 0.18, 0.4),
            hsv(352, 364, 0.5, 0.75, 0.3, 0.5),
            hsv(30, 45, 0.1, 0.25, 0.4, 0.6),
        ),
        0.03,
    ),
    'cargo': Material((WHITE, hsv(0, 60, 0.0, 0.08, 0.5, 0.7), hsv(200, 225, 0.3, 0.6, 0.3, 0.5)), 0.06),
    'bus': Material(
        (hsv(0, 60, 0.0, 0.08, 0.7, 0.88), hsv(352, 364, 0.5, 0.75, 0.4, 0.6), hsv(46, 54, 0.5, 0.7, 0.6, 0.75)), 0.04
    ),
    'tram': Material(
        (hsv(352, 364, 0.5, 0.75, 0.45, 0.65), hsv(46, 54, 0.5, 0.75, 0.6, 0.8), hsv(110, 150, 0.2, 0.4, 0.35, 0.5)),
        0.04,
    ),
    'shirt': Material((hsv(0, 360, 0.1, 0.4, 0.12, 0.4), DARK, hsv(0, 360, 0.3, 0.6, 0.3, 0.6), WHITE), 0.12, 0.3),
    'trousers': Material((hsv(210, 235, 0.2, 0.5, 0.12, 0.3), DARK), 0.1, 0.3),
    'bag': Material((hsv(0, 360, 0.1, 0.5, 0.1, 0.4),), 0.08),
    'concrete': Material((hsv(40, 60, 0.03, 0.1, 0.45, 0.55),), 0.14, 2.0),
    'bonnet': Material((hsv(0, 360, 0.0, 0.08, 0.25, 0.6),), 0.0),
}


def _either(first: Material, second: Material, colors: tuple = ()) -> Material:
    """A material with the colours of both and more, and the mean of their textures."""
    grain, scale = (first.grain + second.grain) / 2, (first.scale + second.scale) / 2
    return Material((*first.colors, *second.colors, *colors), grain, scale, first.glow)


_MORE = {  # colours that neither domain has and photographs do
    'sky': (hsv(0, 360, 0.0, 0.04, 0.92, 1.0), hsv(0, 360, 0.0, 0.04, 0.92, 1.0), hsv(205, 225, 0.02, 0.5, 0.8, 1.0)),
    'asphalt': (hsv(0, 360, 0.0, 0.08, 0.18, 0.62), hsv(200, 250, 0.02, 0.12, 0.2, 0.5)),
    'paving': (hsv(0, 360, 0.0, 0.10, 0.2, 0.7),) * 3,
    'kerb': (hsv(0, 360, 0.0, 0.10, 0.25, 0.75),) * 2,
    'parking': (hsv(0, 360, 0.0, 0.08, 0.18, 0.62),),
    'grass': (hsv(55, 100, 0.2, 0.55, 0.2, 0.5),) * 2,
    'facade': (hsv(0, 60, 0.0, 0.4, 0.15, 0.8), hsv(10, 40, 0.2, 0.6, 0.2, 0.7), hsv(0, 360, 0.0, 0.1, 0.7, 1.0)),
    'shop': (hsv(0, 360, 0.0, 0.9, 0.05, 0.9),) * 2,
    'fence': (hsv(0, 360, 0.0, 0.3, 0.05, 0.5),),
    'leaf': (hsv(60, 140, 0.15, 0.6, 0.08, 0.4), hsv(25, 60, 0.2, 0.5, 0.15, 0.4)),
    'leaf shade': (hsv(60, 140, 0.15, 0.6, 0.04, 0.25), hsv(25, 60, 0.2, 0.5, 0.08, 0.25)),
    'paint': (hsv(0, 360, 0.0, 0.12, 0.08, 0.85),) * 3 + (hsv(0, 360, 0.3, 0.9, 0.1, 0.6),) * 3,
    'shirt': (hsv(0, 360, 0.0, 0.6, 0.05, 0.5),),
    'trousers': (hsv(0, 360, 0.0, 0.4, 0.05, 0.4),),
}
_BROAD = {name: _either(_GAME[name], _CAMERA[name], _MORE.get(name, ())) for name in _GAME}
_BROAD['twigs'] = Material((hsv(10, 50, 0.05, 0.35, 0.10, 0.42),), 0.3, 0.3)

PALETTES = {'game': _GAME, 'camera': _CAMERA, 'broad': _BROAD}
