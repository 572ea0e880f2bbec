"""Whether a file can hold what its head says: a damaged head would have a decoder make room for gigabytes."""

from __future__ import annotations

__all__ = ['BOUNDED', 'BOUNDED_TIFF', 'can_hold', 'overlong']

MOST_RATIO = 3100  # bytes of pixels that a byte of a file can stand for: LZW's, and JPEG's where all is of one colour
BOUNDED = ('PNG', 'GIF', 'JPEG', 'MPO', 'BMP', 'PPM')  # formats that keep to it
BOUNDED_TIFF = (1, 5, 8, 32773, 32946)  # compressions that do: none, LZW, deflate, packbits
SMALL = 1 << 14  # bytes: files up to there may claim what files of that size may
ROOM = 1 << 24  # bytes


def can_hold(size: int, pixels: int, bits: int) -> bool:
    """Whether `size` bytes of a bounded format can hold so many pixels of so many bits, all bands together."""
    return pixels * bits <= 8 * MOST_RATIO * max(size, SMALL)


def overlong(data: bytes) -> bool:
    """Whether a part of a PNG says that it is far longer than the file."""
    if not data.startswith(b'\x89PNG\r\n\x1a\n'):
        return False
    place = 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], 'big')
        if length > len(data) + ROOM:
            return True
        place += length + 12
    return False
