"""Streets: procedural road scenes in two domains, a stand-in for GTA5 and Cityscapes that needs no download.

Reading order: `ranges` and `domains` (the domains as data; `broad` is a source for photographs), `scene` (a street
without colours, drawn from `shapes` through a `camera`; its parts are in `scenery`, `roadside`, `traffic`, `vehicles`,
`solids` and `figures`), `raster` (shapes to pixels), `look` and `materials` (one picture's settings and colours),
`render` and `effects` (the picture), `layouts` (files), `generate`; `ade20k` writes the same pictures in another
layout.
"""

from .ade20k import write_ade20k
from .domains import TARGETS, VARIANTS
from .generate import draw_sample, generate_streets
from .layouts import Sample
from .ranges import Domain, Layout, Look
from .scene import draw_scene
from .shapes import Scene

__all__ = [
    'TARGETS',
    'VARIANTS',
    'Domain',
    'Layout',
    'Look',
    'Sample',
    'Scene',
    'draw_sample',
    'draw_scene',
    'generate_streets',
    'write_ade20k',
]
