"""A few labelled target images that join training: none of them may be among those that scores are taken on."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from pathlib import Path

from sw_mmseg.own_images.folders import Folder
from sw_mmseg.running.errors import UserError

__all__ = ['refuse_scored']


def refuse_scored(few: Folder, scored: Folder) -> None:
    """Raises UserError where images of `few`, which are trained on, are those of `scored`: the same files, also by
    links, or copies of them, byte for byte."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in scored.paths:
        by_size[os.path.getsize(path)].append(path)
    same = []
    for name, path in zip(few.names, few.paths):
        candidates = by_size.get(os.path.getsize(path), [])
        if candidates and _digest(path) in map(_digest, candidates):
            same.append(name)
    if same:
        raise UserError(
            f'--target-few: {len(same)} of {len(few.names)} images are among those of --target-val, the first is '
            f'{same[0]}: scores on images that were trained on say nothing. Take them out of {few.images} or of '
            f'{scored.images}'
        )


def _digest(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()
