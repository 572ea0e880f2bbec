"""A norm has one colour in every plot of the documents: none shows a palette that knows nothing of norms."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image

from sw_mmseg.analysis.style import LIGHT
from sw_mmseg.whitening import NORMS
from tests.helpers.source_files import REPOSITORY

OF_LAYERS = {f'resnet20_{norm}_{kind}.png' for norm in ('sw', 'swb') for kind in ('mean', 'cov')}
GREY = '#7f7f7f'  # of tab10, and of the edges of black letters
PALETTES = {*LIGHT.cycle, *map(to_hex, colormaps['tab10'].colors)} - {GREY}
FEW = 20  # pixels in which other colours may meet by chance


def count(path, colours) -> int:
    """Pixels of exactly these colours."""
    with Image.open(path) as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert('RGB'), np.int64), -1, 0)
    return int(np.isin((red << 16) + (green << 8) + blue, [int(colour[1:], 16) for colour in colours]).sum())


def test_plots_of_norms_have_their_colours():
    plots = [path for path in (REPOSITORY / 'docs').rglob('*.png') if path.name not in OF_LAYERS]
    strange = {path.name: pixels for path in plots if (pixels := count(path, PALETTES)) > FEW}
    assert strange == {}
    norms = [norm.colour for norm in NORMS.values()]
    assert sum(count(path, norms) > 100 for path in plots) > 25


def test_the_count_finds_a_palette_where_there_is_one():
    assert all(count(next((REPOSITORY / 'docs').rglob(name)), PALETTES) > 100 for name in OF_LAYERS)
