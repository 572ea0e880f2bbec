"""The first and the last bytes of a file, which may be in memory already."""

from __future__ import annotations

from pathlib import Path

__all__ = ['end_of', 'start_of']


def start_of(path: str, data: bytes | None, count: int) -> bytes:
    """Its first `count` bytes, or fewer."""
    if data is not None:
        return data[:count]
    with open(path, 'rb') as file:
        return file.read(count)


def end_of(path: str, data: bytes | None, count: int) -> bytes:
    """Its last `count` bytes, or fewer."""
    if data is not None:
        return data[-count:]
    with open(path, 'rb') as file:
        file.seek(max(0, Path(path).stat().st_size - count))
        return file.read()
