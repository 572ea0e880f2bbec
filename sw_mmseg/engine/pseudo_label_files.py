"""Pseudo-labels of a whole target set, as files: what a round of self-training learns from until the next begins.

    FOLDER/round_1/000017_NAME.png     paletted, one class a pixel, 255 where none is believed: any viewer shows them
    FOLDER/round_1/round.json          written last: what the round kept of each class

A round without `round.json` is not whole and is labelled again. Several processes write their own images into one
folder, so it must be one that all of them see.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sw_mmseg.adaptation import PseudoLabelError
from sw_mmseg.files import read_json, whole_file, write_encoded

__all__ = ['PseudoLabelFiles']

MANIFEST = 'round.json'
ANEW = 'delete it, and the round is labelled again'


class PseudoLabelFiles:
    """The files of every round.

    Args:
        folder: where they are written.
        image_paths: of the target's images, in the data set's order.
        palette: RGB of each class, to draw them in.
    """

    def __init__(self, folder: str | Path, image_paths: Sequence[str], palette: Sequence[Sequence[int]] = ()) -> None:
        self.folder = Path(folder)
        self.names = {path: f'{index:06d}_{Path(path).stem}.png' for index, path in enumerate(image_paths)}
        colors = [value for color in palette for value in color] or [value for value in range(256) for _ in range(3)]
        self.palette = colors + [0] * (768 - len(colors))  # whole, or Pillow stores too few bits for 255

    def start(self, number: int) -> None:
        """Makes the folder of a round; what lies in it no longer counts."""
        place = self._place(number)
        place.mkdir(parents=True, exist_ok=True)
        (place / MANIFEST).unlink(missing_ok=True)

    def write(self, number: int, image_path: str, labels: Tensor) -> None:
        """Labels (H, W), 0 to 255, of an image, whole or not at all."""
        picture = Image.fromarray(labels.cpu().numpy().astype(np.uint8))
        picture.putpalette(self.palette)
        with whole_file(self._place(number) / self.names[image_path]) as part:
            write_encoded(part, partial(picture.save, format='PNG'))

    def finish(self, number: int, manifest: dict) -> None:
        """Declares a round whole; `manifest` says what it is."""
        with whole_file(self._place(number) / MANIFEST) as part:
            part.write_text(json.dumps({'images': len(self.names), **manifest}, indent=1) + '\n', encoding='utf-8')

    def manifest(self, number: int) -> dict | None:
        """What `finish` wrote; None for a round that is not whole."""
        path = self._place(number) / MANIFEST
        return read_json(path, way_out=ANEW) if path.is_file() else None

    def check(self, number: int, thresholds: Sequence[int]) -> None:
        """That a round is the one of these thresholds, and of this target.

        Raises:
            PseudoLabelError: it is not whole, or another.
        """
        manifest = self.manifest(number)
        same = {'images': len(self.names), 'thresholds': list(thresholds)}
        if manifest is None or any(manifest.get(key) != value for key, value in same.items()):
            problem = 'are not there' if manifest is None else 'are of another run'
            raise PseudoLabelError(
                f'this run goes on in round {number} of self-training, and the pseudo-labels of that round in '
                f'{self._place(number)} {problem}. Resume in the folder where it ran, or from a checkpoint before the '
                'round began'
            )

    def read(self, number: int, image_path: str) -> Tensor:
        """Labels (H, W) int64 of an image.

        Raises:
            PseudoLabelError: no such file, or no such image among the target's.
        """
        if image_path not in self.names:
            raise PseudoLabelError(f'{image_path} is none of the {len(self.names)} target images that were labelled')
        path = self._place(number) / self.names[image_path]
        try:
            with Image.open(path) as picture:
                return torch.from_numpy(np.array(picture)).long()
        except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three
            raise PseudoLabelError(
                f'the pseudo-labels {path} cannot be read ({error}). All processes must see the folder of the run'
            ) from error

    def _place(self, number: int) -> Path:
        return self.folder / f'round_{number}'
