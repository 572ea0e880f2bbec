"""Images of two, four or more bands: which three --bands tells to be red, green and blue, and in which folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.file_head import read_head
from sw_mmseg.datasets.sample_look import Bands
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.running.errors import UserError

__all__ = ['find_bands', 'refuse_bands']

LOOKED_AT = 32  # files of a folder
PLAIN = (1, 3)  # bands that need no telling


def find_bands(paths: Sequence[str], bands: Sequence[int] | None) -> Bands | None:
    """The bands to read of a folder's images, and how many these have: the most frequent number that needs telling.

    None where no band was told, or no image needs it.
    """
    if bands is None:
        return None
    counts: Counter[int] = Counter()
    for path in paths[:: max(1, len(paths) // LOOKED_AT)]:
        try:
            counts[read_head(path).bands] += 1
        except DatasetError:
            continue  # it will be among the faulty ones
    needing = [count for count, _ in counts.most_common() if count not in PLAIN]
    return (tuple(bands), needing[0]) if needing else None


def refuse_bands(checked: Checked, bands: Sequence[int] | None) -> None:
    """Raises UserError where --bands is about no image, or about images of two kinds: one pipeline reads them all."""
    if bands is None:
        return
    numbers = sorted({folder.scan.bands[1] for folder in checked.folders if folder.scan.bands})
    if not numbers:
        raise UserError('--bands: no image has two or more than three bands, of which any had to be chosen')
    if len(numbers) > 1:
        raise UserError(
            f'--bands: images of {" and ".join(map(str, numbers))} bands cannot share one choice. Write '
            'the three bands of one folder into files of their own: gdal_translate -b 1 -b 2 -b 3 FILE NEW'
        )
