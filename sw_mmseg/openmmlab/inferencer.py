"""mmseg's inferencer with pipelines that read images by `LoadImage`.

`MMSegInferencer` looks for a step called `LoadImageFromFile`, in whose place it puts one that takes arrays as well. The
reader of this package's data sets has another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sw_mmseg.openmmlab.change import Change, Replacements

if TYPE_CHECKING:
    from mmseg.apis import MMSegInferencer

__all__ = ['INFERENCER', 'find_reader', 'find_step']

LOOKUP = '_get_transform_idx'
ASKED, READER = 'LoadImageFromFile', 'LoadImage'
BY_FILE = ('white', 'bands')  # arguments that say how deep or many-banded files become images
_ORIGINALS = Replacements()


def find_step(inferencer: MMSegInferencer, pipeline_cfg: Sequence[dict], name: str) -> int:
    """In place of `_get_transform_idx`: where a step of that name, or the reader, stands in a pipeline; -1 without.

    Raises:
        ValueError: the reader is told how to read files of more than 8 bits or three bands, which mmseg's cannot.
    """
    names = [step['type'] for step in pipeline_cfg]
    if name in names:
        return names.index(name)
    if name != ASKED or READER not in names:
        return -1
    place = names.index(READER)
    told = [key for key in BY_FILE if pipeline_cfg[place].get(key) is not None]
    if told:
        raise ValueError(
            f'this network reads its images with {told[0]}={pipeline_cfg[place][told[0]]}, which '
            'MMSegInferencer cannot do: use `sw-mmseg predict CONFIG CHECKPOINT IMAGES OUT`'
        )
    return place


def find_reader() -> None:
    """Let the inferencer find `LoadImage`; a second call changes nothing."""
    from mmseg.apis import MMSegInferencer  # not above: mmseg cannot be imported before mmcv's operators are served

    if vars(MMSegInferencer)[LOOKUP] is not find_step:
        _ORIGINALS.replace(MMSegInferencer, LOOKUP, find_step)


INFERENCER = Change(
    name='inferencer of mmseg',
    effect='MMSegInferencer takes pipelines whose first step is LoadImage',
    reason="it stops with 'LoadImageFromFile is not found in the test pipeline'",
    package='mmsegmentation',
    versions='1.2 to 1.4',
    apply=find_reader,
    undo=_ORIGINALS.restore,
)
