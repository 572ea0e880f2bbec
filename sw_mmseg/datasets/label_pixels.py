"""Values of label files: packed colours, and how values are counted and named."""

from __future__ import annotations

import numpy as np

__all__ = ['count_values', 'pack_colors', 'share_text', 'shares', 'unpack_color']


def pack_colors(values: np.ndarray) -> np.ndarray:
    """RGB (..., 3) to one number a pixel, r · 65536 + g · 256 + b."""
    values = values.astype(np.int64)
    return (values[..., 0] << 16) | (values[..., 1] << 8) | values[..., 2]


def unpack_color(value: int) -> tuple[int, int, int]:
    """The colour of such a number."""
    return value >> 16, value >> 8 & 255, value & 255


def count_values(values: np.ndarray) -> dict[int, int]:
    """Pixels by value."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    return dict(zip(*(part.tolist() for part in np.unique(values, return_counts=True))))


def shares(values: np.ndarray, total: int, kind: str, limit: int = 6) -> str:
    """'37 (2.10 %), 40 (0.30 %) and 3 more' of `total` pixels, the commonest first; packed colours as (r, g, b)."""
    return share_text(count_values(values), total, kind, limit)


def share_text(counts: dict[int, int], total: int, kind: str, limit: int = 6) -> str:
    """The same from pixels by value."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    texts = [f'{unpack_color(v) if kind == "colours" else v} ({100 * n / total:.3g} %)' for v, n in ordered[:limit]]
    return ', '.join(texts) + (f' and {len(ordered) - limit} more' if len(ordered) > limit else '')
