"""Images that are trained on, of the source and a few labelled ones of the target: none of them may be among those that
scores are taken on."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from sw_mmseg.own_images.folders import Folder
from sw_mmseg.running.errors import UserError

__all__ = ['refuse_scored']


def refuse_scored(few: Folder | None, sources: Iterable[Folder], scored: Folder) -> None:
    """Raises UserError where images that are trained on are those of `scored`."""
    _refuse_sources(sources, scored)
    if few:
        _refuse_few(few, scored)


def _refuse_few(few: Folder, scored: Folder) -> None:
    """Raises UserError where images of `few`, which are trained on, are those of `scored`: the same files, also by
    links, or copies of them, byte for byte."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in scored.paths:
        by_size[os.path.getsize(path)].append(path)
    same, digest = [], cache(_digest)
    for name, path in zip(few.names, few.paths):
        candidates = by_size.get(os.path.getsize(path), [])
        if candidates and digest(path) in map(digest, candidates):
            same.append(name)
    if same:
        raise UserError(
            f'--target-few: {len(same)} of {len(few.names)} images are among those of --target-val, the first is '
            f'{same[0]}: scores on images that were trained on say nothing. Take them out of {few.images} or of '
            f'{scored.images}'
        )


def _refuse_sources(sources: Iterable[Folder], scored: Folder) -> None:
    """Raises UserError where images of the source are those of `scored`: the same files, also by links. Sources are too
    large to look for copies."""
    places = {_place(path) for path in scored.paths}
    for source in sources:
        same = [name for name, path in zip(source.names, source.paths) if _place(path) in places]
        if same:
            raise UserError(
                f'--target-val: {len(same)} of its {len(places)} images are of the {source.role}, the first is '
                f'{same[0]}: scores on images that were trained on say nothing of the target. Give labelled ones '
                'of the target'
            )


def _place(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _digest(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()
