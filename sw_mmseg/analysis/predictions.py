"""Pictures of predictions: label maps in their palette, laid over the image, and a contact sheet beside the truth.

Arrays are H×W×3 uint8 RGB for pictures and H×W for label maps (train ids; 255 is void). No counterpart in the paper.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patches import Patch

from sw_mmseg.analysis.style import LIGHT, Theme
from sw_mmseg.analysis.text import set_names, shown_names

__all__ = ['colour', 'contact_sheet', 'image_bytes', 'overlay']

Palette = Sequence[Sequence[int]]
VOID = 255
READABLE_WIDTH = 900  # pixels that a page shows; texts of a wider sheet grow with it


def colour(labels: np.ndarray, palette: Palette, void: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """H×W ids -> H×W×3 uint8. Id 255 becomes `void`; another id the palette does not know is a `ValueError`."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    table[VOID] = void
    values = np.unique(labels)
    unknown = values[(values != VOID) & ((values < 0) | (values >= len(palette)))]
    if unknown.size:
        raise ValueError(f'label ids {unknown.tolist()} have no colour: the palette has {len(palette)}, void is {VOID}')
    return table[labels]


def overlay(image: np.ndarray, labels: np.ndarray, palette: Palette, opacity: float = 0.55) -> np.ndarray:
    """The coloured label map over the image; void pixels keep the image. `opacity` in [0, 1]."""
    if not 0 <= opacity <= 1:
        raise ValueError(f'opacity must be in [0, 1], not {opacity}')
    if image.shape[:2] != labels.shape:
        raise ValueError(f'image is {image.shape[:2]}, labels are {labels.shape}')
    share = np.where(labels == VOID, 0.0, opacity)[..., None]
    return np.rint(image * (1 - share) + colour(labels, palette) * share).astype(np.uint8)


def image_bytes(image: np.ndarray, kind: str = 'png', quality: int = 88) -> bytes:
    """An encoded picture; `kind` is 'png' (exact, small for label maps) or 'jpeg' (small for photographs)."""
    if kind not in ('png', 'jpeg'):
        raise ValueError(f"kind must be 'png' or 'jpeg', not {kind!r}")
    options = {'optimize': True, **({'quality': quality} if kind == 'jpeg' else {})}
    out = io.BytesIO()
    imsave(out, np.ascontiguousarray(image), format=kind, pil_kwargs=options)
    return out.getvalue()


def contact_sheet(
    rows: Sequence[Mapping[str, np.ndarray]],
    classes: Sequence[str],
    palette: Palette,
    theme: Theme = LIGHT,
    tile_width: int = 320,
    gap: int = 8,
) -> np.ndarray:
    """One row an image, one titled column a picture, a legend of the classes that occur below.

    Args:
        rows: column title -> picture: H×W×3 RGB is shown as it is, H×W label maps are coloured. All rows have the
            same titles in the same order; sizes may differ, every tile is scaled to the first picture's shape.
        classes, palette: C names and C RGB colours.
        tile_width: pixels; the height follows the first picture.

    Returns:
        H×W×3 uint8 RGB.
    """
    if not rows or any(list(row) != list(rows[0]) for row in rows):
        raise ValueError('contact_sheet needs at least one row, all with the same column titles')
    titles = list(rows[0])
    height, width = next(iter(rows[0].values())).shape[:2]
    tile = (round(tile_width * height / width), tile_width)
    shown = _classes_that_occur(rows, len(classes))
    sheet_width = len(titles) * (tile[1] + gap) + gap
    scale = max(1.0, sheet_width / READABLE_WIDTH)
    head, line = round(34 * scale), round(24 * scale)
    per_line = max(1, int(sheet_width / (170 * scale)))
    legend = 16 + line * -(-len(shown) // per_line)
    sheet_height = head + len(rows) * (tile[0] + gap) + legend
    figure = Figure(figsize=(sheet_width / 100, sheet_height / 100), dpi=100, facecolor=theme.page)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row.values()):
            pixels = _resize(picture if picture.ndim == 3 else colour(picture, palette), tile)
            top = head + r * (tile[0] + gap)
            figure.figimage(pixels, gap + c * (tile[1] + gap), sheet_height - top - tile[0])
    for c, title in enumerate(titles):
        figure.text(
            (gap + (c + 0.5) * tile[1] + c * gap) / sheet_width,
            1 - head / 2 / sheet_height,
            title,
            ha='center',
            va='center',
            color=theme.ink,
            fontsize=11 * scale,
        )
    if shown:
        names = shown_names(classes)
        _draw_legend(figure, [(names[i], palette[i]) for i in shown], per_line, theme, 10 * scale)
    return _rasterise(figure)


def _draw_legend(
    figure: Figure, colours: Sequence[tuple[str, Sequence[int]]], per_line: int, theme: Theme, size: float
) -> None:
    keys = [Patch(color=np.asarray(rgb) / 255, label=name) for name, rgb in colours]
    legend = figure.legend(
        handles=keys,
        loc='lower center',
        ncols=min(per_line, len(keys)),
        frameon=False,
        labelcolor=theme.ink,
        fontsize=size,
        handlelength=1.2,
        handleheight=1.0,
        borderaxespad=0.3,
    )
    set_names(legend.get_texts(), [name for name, _ in colours])


def _classes_that_occur(rows: Sequence[Mapping[str, np.ndarray]], count: int) -> list[int]:
    classes = {int(i) for row in rows for p in row.values() if p.ndim == 2 for i in np.unique(p)}
    return sorted(i for i in classes if i < count)


def _resize(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Nearest neighbour at pixel centres, so that label colours stay pure."""
    rows = ((np.arange(shape[0]) + 0.5) * picture.shape[0] / shape[0]).astype(int)
    columns = ((np.arange(shape[1]) + 0.5) * picture.shape[1] / shape[1]).astype(int)
    return picture[rows][:, columns]


def _rasterise(figure: Figure) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
