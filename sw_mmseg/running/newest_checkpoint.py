"""The checkpoint that a run goes on from: the newest in its folder that reads whole."""

from __future__ import annotations

import re
from pathlib import Path

from sw_mmseg.openmmlab import CheckpointError, load_local_checkpoint

__all__ = ['checkpoints_by_age', 'newest_whole']

NUMBERED = re.compile(r'(?:iter|epoch)_(\d+)\.pth')
POINTER = 'last_checkpoint'


def checkpoints_by_age(folder: Path) -> list[Path]:
    """Those that training left in `folder`, the latest iteration or epoch first.

    What `last_checkpoint` names comes before all others, by its name alone, since the folder may have moved.
    """
    numbered = {file: int(match[1]) for file in folder.glob('*.pth') if (match := NUMBERED.fullmatch(file.name))}
    files = sorted(numbered, key=lambda file: (numbered[file], file.stat().st_mtime), reverse=True)
    pointer = folder / POINTER
    name = Path(pointer.read_text(errors='replace').strip()).name if pointer.is_file() else ''
    named = folder / name
    newer = [file for file in files if named in numbered and numbered[file] > numbered[named]]
    if name and named.is_file() and not newer:
        files = [named, *(file for file in files if file != named)]
    return files


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
