"""The checkpoint that a run goes on from: the newest in its folder that reads whole."""

from __future__ import annotations

from pathlib import Path

from sw_mmseg.openmmlab import CheckpointError, load_local_checkpoint
from sw_mmseg.running.checkpoints import last_named, numbered_checkpoints

__all__ = ['checkpoints_by_age', 'newest_whole']


def checkpoints_by_age(folder: Path) -> list[Path]:
    """Those that training left in `folder`, the latest iteration or epoch first.

    What `last_checkpoint` names comes before all others, by its name alone, since the folder may have moved.
    """
    numbered = numbered_checkpoints(folder)
    files, named = list(reversed(numbered)), last_named(folder)
    if named is None or (named in numbered and named != files[0] and numbered[files[0]] > numbered[named]):
        return files
    return [named, *(file for file in files if file != named)]


def newest_whole(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that reads whole, if there is one, and why each newer one does not."""
    faults = []
    for file in checkpoints_by_age(folder):
        try:
            content = load_local_checkpoint(str(file), 'cpu')
        except CheckpointError as error:
            faults.append(str(error))
            continue
        if isinstance(content, dict) and 'state_dict' in content and 'message_hub' in content:
            return file, faults
        faults.append(f'{file} holds no state of a training')
    return None, faults
