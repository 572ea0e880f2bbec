"""How the Triton passes cut an activation into tiles, and what they do with one tile.

A tile is (ROWS channels, BLOCK pixels). ROWS is a power of two and at least 16, so that a tile fits the tensor cores:
several small groups share a tile, whose matrix is then block-diagonal, and a group of 20 leaves rows empty. A program
takes `chunk` pixels of one tile's rows, block by block; the grid is (samples × chunks × tiles), neighbouring tiles
side by side, because in channels_last they share cache lines.

Products run on the tensor cores in TF32, whose 10 bits alone would show: a fp32 operand is split into a part that is
exact in TF32 and the rest, and the products of those parts are summed in fp32, which leaves an error near that of fp32.
The split is explicit so that no global setting changes it. The alternative without tensor cores, fused multiply-adds,
needs each pixel's D channels in one thread beside D² sums, which do not fit into registers.
"""

import functools
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..moments import memory_format

__all__ = ['Plan', 'add_product', 'bounds', 'load_matrix', 'load_tile', 'load_vector', 'plan_for', 'rows_of', 'split',
           'store_sums', 'to_tf32']


class Plan(NamedTuple):
    """The sizes of one launch. L = `length`; `last` says channels_last."""

    n: int
    c: int
    d: int
    length: int
    last: bool
    rows: int
    block: int
    warps: int
    tiles: int  # along the channels
    chunk: int  # pixels of a program, a multiple of `block`
    chunks: int  # a sample

    @property
    def grid(self) -> tuple[int]:
        return (self.n * self.chunks * self.tiles,)

    def constants(self) -> dict[str, int | bool]:
        """The compile-time arguments that every pass has, and the launch options."""
        return {'D': self.d, 'ROWS': self.rows, 'BLOCK': self.block, 'LAST': self.last, 'num_warps': self.warps}


def plan_for(x: Tensor, group_size: int) -> Plan:
    """The plan of a pass over x (N, C, *). Raises `ValueError` if x is neither contiguous nor channels_last."""
    form = memory_format(x)
    if not x.is_contiguous(memory_format=form):
        raise ValueError(f'strides {x.stride()} of shape {tuple(x.shape)} are neither contiguous nor channels_last: '
                         'call .contiguous() before')
    n, c = x.shape[:2]
    return _plan(n, c, x.numel() // max(n * c, 1), group_size, form is not torch.contiguous_format,
                 x.element_size() == 2, _processors(x.device))


@functools.lru_cache(maxsize=1024)
def _plan(n: int, c: int, length: int, d: int, last: bool, half: bool, processors: int) -> Plan:
    rows, block, warps = _tile(c, length, d, last, half)
    width = rows // d * d
    tiles, blocks = -(-c // width), -(-length // block)
    # A program each of 8 per processor where the activation is small, else up to 16 blocks a program: then the sums
    # that a program leaves behind, ROWS² floats, are little beside what it read.
    per_chunk = min(max(n * tiles * blocks // (8 * processors), 1), 16)
    chunk = min(per_chunk, max(blocks, 1)) * block
    return Plan(n, c, d, length, last, rows, block, warps, tiles, chunk, -(-length // chunk))


def _tile(c: int, length: int, d: int, last: bool, half: bool) -> tuple[int, int, int]:
    """Rows, pixels and warps: 8 to 16 KB of fp32 values, with at least 64 bytes side by side in memory."""
    pixels = max(triton.next_power_of_2(length), 16)
    if d == 1:  # no matrices: any shape of 2048 values
        rows = min(triton.next_power_of_2(c), 64) if last else max(2048 // min(pixels, 512), 4)
        return rows, 2048 // rows, 4
    rows = max(triton.next_power_of_2(d), 32 if last and half else 16)
    return rows, min(pixels, 128 if rows <= 32 else 64), {16: 2, 32: 4, 64: 4}[rows]


@functools.lru_cache(maxsize=64)
def _processors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == 'cuda' else 1


# Below, the functions of the kernels.


@triton.jit
def bounds(program, length, chunk, chunks, tiles):
    """Sample, chunk and tile of a program, and the chunk's pixels from `start` to before `stop`."""
    tile = program % tiles
    part = program // tiles % chunks
    start = part * chunk
    return (program // tiles // chunks).to(tl.int64), part, tile, start, tl.minimum(start + chunk, length)


@triton.jit
def rows_of(tile, channels, D: tl.constexpr, ROWS: tl.constexpr):
    """Channels (ROWS,) of a tile, and which of them exist."""
    width: tl.constexpr = ROWS // D * D
    rows = tl.arange(0, ROWS)
    return tile * width + rows, (rows < width) & (tile * width + rows < channels)


@triton.jit
def load_tile(x, n, channel, valid, pixel, channels, length, LAST: tl.constexpr, BLOCK: tl.constexpr):
    """Addresses and mask (ROWS, BLOCK) of pixels from `pixel` on."""
    offsets = pixel + tl.arange(0, BLOCK)
    if LAST:
        start = n * channels * length + pixel.to(tl.int64) * channels
        pointers = x + start + channel[:, None] + (tl.arange(0, BLOCK) * channels)[None, :]
    else:
        start = n * channels * length + pixel
        pointers = x + start + (channel.to(tl.int64) * length)[:, None] + tl.arange(0, BLOCK)[None, :]
    return pointers, valid[:, None] & (offsets < length)[None, :]
