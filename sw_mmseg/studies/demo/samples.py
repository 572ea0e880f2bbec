"""Packed samples of the demo's data sets as what a sheet shows."""

from __future__ import annotations

import numpy as np

__all__ = ['image_of', 'labelled_sheet', 'places']


def places(count: int, total: int) -> list[int]:
    """`count` of `total` indices, or all if they are fewer, evenly spread."""
    count = min(count, total)
    return [round((i + 0.5) * total / count - 0.5) for i in range(count)]


def image_of(packed: dict) -> np.ndarray:
    """H×W×3 RGB of a packed sample, whose pixels are BGR."""
    return packed['inputs'].numpy()[::-1].transpose(1, 2, 0)


def labelled_sheet(packed: dict) -> dict[str, np.ndarray]:
    """Image and truth."""
    truth = packed['data_samples'].gt_sem_seg.data.squeeze(0).numpy().astype('uint8')
    return {'image': image_of(packed), 'truth': truth}
