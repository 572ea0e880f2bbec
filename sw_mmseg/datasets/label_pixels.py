"""What a user's label file holds: ids of 8 or 16 bits, grey or paletted, or colours. Nothing is mapped here.

`loading.read_label_file` is stricter: the files of the paper's data sets hold 8-bit ids and nothing else.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from .errors import DatasetError

GREY_MODES = {'1': np.uint8, 'L': np.uint8, 'P': np.uint8, 'I;16': np.int64, 'I;16B': np.int64, 'I': np.int64}


def read_label_pixels(path: str, colors: bool = False) -> np.ndarray:
    """What a label file holds: ids (H, W), or RGB (H, W, 3) uint8 where it is a colour picture.

    A grey picture stored as RGB gives its grey values; with `colors`, it and a paletted one give their colours.
    Raises `DatasetError` where the file is missing, empty, broken, or holds neither.
    """
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            if mode in GREY_MODES and not (colors and mode in 'PL'):
                return np.asarray(picture).astype(GREY_MODES[mode], copy=False)
            if mode == 'LA' and not colors:
                return np.asarray(picture)[..., 0]
            if mode in ('RGB', 'RGBA', 'P', 'L', 'LA'):
                values = np.asarray(picture.convert('RGB'))
            else:
                raise DatasetError(f'label file {path} holds {mode} pixels; ids (8 or 16 bits) or RGB are understood')
    except FileNotFoundError:
        raise DatasetError(f'label file {path} is missing') from None
    except DatasetError:
        raise
    except Exception as error:  # Pillow raises almost anything on a damaged file
        raise DatasetError(f'label file {path} cannot be read ({_reason(path, error)})') from error
    grey = not colors and (values[..., :1] == values[..., 1:]).all()
    return values[..., 0] if grey else values


def pack_colors(values: np.ndarray) -> np.ndarray:
    """RGB (..., 3) to one number a pixel, r · 65536 + g · 256 + b."""
    values = values.astype(np.int64)
    return (values[..., 0] << 16) | (values[..., 1] << 8) | values[..., 2]


def shares(values: np.ndarray, total: int, what: str, limit: int = 6) -> str:
    """'37 (2.10 %), 40 (0.30 %) and 3 more' of `total` pixels, the commonest first; packed colours as (r, g, b)."""
    return share_text(dict(zip(*(part.tolist() for part in np.unique(values, return_counts=True)))), total, what, limit)


def share_text(counts: dict[int, int], total: int, what: str, limit: int = 6) -> str:
    """The same from pixels by value."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    texts = [f'{(v >> 16, v >> 8 & 255, v & 255) if what == "colours" else v} ({100 * n / total:.3g} %)'
             for v, n in ordered[:limit]]
    return ', '.join(texts) + (f' and {len(ordered) - limit} more' if len(ordered) > limit else '')


def _reason(path: str, error: Exception) -> str:
    return 'the file is empty' if Path(path).stat().st_size == 0 else str(error)
