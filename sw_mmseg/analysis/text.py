"""Texts in pictures, in a font that has their letters: OpenCV's draws '??' for an umlaut, and DejaVu Sans, which comes
with matplotlib, boxes for Chinese. What it lacks is looked for among the fonts of the system."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.font_manager import FontProperties, findSystemFonts
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from PIL import Image, ImageDraw, ImageFont

__all__ = ['draw_texts', 'set_names', 'shown_names', 'text_width']

Place = tuple[int, int, str, tuple[int, int, int]]  # left end and base line, pixels; a text, and its colour
BESIDE = '0123456789.%'  # stands beside a name
PLACEHOLDERS = 'lastresort'  # fonts of that name have a box for every letter

_LOGGER = logging.getLogger(__name__)


def shown_names(names: Sequence[str]) -> list[str]:
    """The names of classes as pictures show them: '#3' of class 3, counted from 0, where no font has all its letters,
    which is logged once."""
    shown = [name if font_file(name + BESIDE) else f'#{number}' for number, name in enumerate(names)]
    lacking = tuple(name for name, text in zip(names, shown) if name != text)
    if lacking:
        _tell(lacking)
    return shown


@lru_cache
def _tell(names: tuple[str, ...]) -> None:
    _LOGGER.warning(
        'no font of this system has the letters of %s: legends show numbers of classes, such as #0, in their order. '
        'Install a font that has them, such as Noto Sans CJK',
        ', '.join(names),
    )


def font_file(text: str) -> str | None:
    """The first font that has all letters of a text."""
    return _font_with(frozenset(letter for letter in text if letter.isprintable() and letter != ' '))


@lru_cache(maxsize=1024)
def _font_with(letters: frozenset[str]) -> str | None:
    return next((file for file in _fonts() if letters <= _known(file, letters)), None)


def _fonts() -> Iterator[str]:
    yield str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'))
    yield from (file for file in _system_fonts() if PLACEHOLDERS not in Path(file).name.lower())


@lru_cache
def _system_fonts() -> list[str]:
    return sorted(findSystemFonts())


def _known(file: str, letters: frozenset[str]) -> set[str]:
    try:
        font = FT2Font(file)
    except (OSError, RuntimeError):  # it cannot be read, or is of another kind
        return set()
    return {letter for letter in letters if font.get_char_index(ord(letter))}


@lru_cache(maxsize=64)
def _font(file: str | None, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file or next(_fonts()), size)


def text_width(text: str, size: int) -> int:
    """Pixels from its left end to its right end; letters are about `size` pixels high."""
    return int(np.ceil(_font(font_file(text), size).getlength(text)))


def draw_texts(picture: np.ndarray, texts: Iterable[Place], size: int) -> None:
    """Draws into H×W×3 uint8, in place; what reaches beyond it is cut."""
    page = Image.fromarray(picture)
    pen = ImageDraw.Draw(page)
    for left, base, text, ink in texts:
        pen.text((left, base), text, fill=ink, font=_font(font_file(text), size), anchor='ls')
    picture[:] = np.asarray(page)


def set_names(texts: Iterable[Text], names: Iterable[str]) -> None:
    """Names into texts of matplotlib as they are: '$' is no formula, and what begins with '_' is shown, too."""
    for text, name in zip(texts, names):
        size = text.get_fontsize()
        text.set_parse_math(False)
        text.set_text(name)
        text.set_fontproperties(FontProperties(fname=font_file(name), size=size))
