"""How the Triton passes cut an activation into tiles, and what they do with one.

A tile is (ROWS channels, BLOCK pixels). ROWS is a power of two, and at least 16 where there are matrices, so that a
tile fits the tensor cores: several small groups share a tile, whose matrix is then block-diagonal, and a group of 20
leaves rows empty. A program takes one tile's rows in one sample and goes through a `chunk` of their pixels, block by
block. Neighbouring tiles run side by side: in channels_last they share cache lines.

Products run on the tensor cores in TF32, whose 10 bits alone would show. So a fp32 operand is split into a part that is
whole in TF32 and a small rest, and the products of the parts are summed in fp32, which leaves an error near fp32's own.
The split is written out, so that no global setting changes it, and a value of fp16 or bf16 is whole in TF32 and needs
none. Fused multiply-adds instead (input_precision 'ieee') would fetch both operands of each from shared memory, because
D² sums do not fit into the registers of the thread that holds a pixel's D channels.
"""

import functools
import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ...maths import memory_format

__all__ = ['Plan', 'add_product', 'bounds_of', 'load_matrix', 'load_squares', 'load_vector', 'plan_for', 'plan_of',
           'processors_of', 'rows_of', 'split', 'store_sums', 'tile_at', 'to_tf32']

PROGRAMS = 32  # on a processor of the GPU


@dataclass(frozen=True)
class Plan:
    """The sizes of one launch over (n, c, length pixels); `last` says channels_last. What follows from them is computed
    once: `plan_of` gives the same plan again."""

    n: int
    c: int
    d: int
    length: int
    last: bool
    rows: int
    block: int
    warps: int
    stages: int
    tiles: int  # along the channels
    chunk: int  # pixels a program, a multiple of `block`
    chunks: int  # a sample

    @functools.cached_property
    def programs(self) -> int:
        """How many programs a launch has."""
        return self.n * self.chunks * self.tiles

    @functools.cached_property
    def sizes(self) -> tuple[int, ...]:
        """The arguments that every pass has, before the constants. L is units · UNIT: so the compiler knows whether it
        divides by 16, 8 or 4, and loads that many values at once."""
        return self.c, self.length // self.unit, self.chunk, self.chunks, self.tiles

    @functools.cached_property
    def unit(self) -> int:
        """Pixels that one program reads at a time."""
        return math.gcd(self.length, 16)

    @functools.cached_property
    def constants(self) -> dict[str, int | bool]:
        """The arguments known when a pass is compiled, and the launch options."""
        full = self.length % self.block == 0 and self.c % self.rows == 0 and self.rows % self.d == 0
        return {'D': self.d, 'ROWS': self.rows, 'BLOCK': self.block, 'LAST': self.last, 'FULL': full,
                'UNIT': self.unit, 'num_warps': self.warps, 'num_stages': self.stages}


def plan_for(x: Tensor, group_size: int) -> Plan:
    """The plan of a pass over x (N, C, *). Raises `ValueError` if x is neither contiguous nor channels_last."""
    form = memory_format(x)
    if not x.is_contiguous(memory_format=form):
        raise ValueError(f'x of shape {tuple(x.shape)} and strides {x.stride()} is neither contiguous nor '
                         'channels_last: call .contiguous() first')
    n, c = x.shape[:2]
    length = x.numel() // max(n * c, 1)
    last = form is not torch.contiguous_format
    return plan_of(n, c, group_size, length, last, x.element_size(), processors_of(x.device))


@functools.lru_cache(maxsize=1024)
def plan_of(n: int, c: int, d: int, length: int, last: bool, size: int, processors: int) -> Plan:
    """A processor gets PROGRAMS, or more that have 16 blocks each: then the sums that a program leaves behind, ROWS²
    floats, are little beside what it has read."""
    rows, block, warps, stages = tile_for(c, d, length, last, size)
    tiles, blocks = -(-c // (rows // d * d)), max(-(-length // block), 1)
    chunk = block * min(blocks, 16, max(n * tiles * blocks // (PROGRAMS * processors), 1))
    return Plan(n, c, d, length, last, rows, block, warps, stages, tiles, chunk, -(-length // chunk))


def tile_for(c: int, d: int, length: int, last: bool, size: int) -> tuple[int, int, int, int]:
    """Rows, pixels, warps and stages of a tile whose values have `size` bytes.

    With matrices, a warp for each 16 rows and 64 pixels: more pixels cost registers, and more warps compute the same
    product twice. Two or three stages keep loads under way while the few warps that a processor then holds compute.
    """
    pixels = max(triton.next_power_of_2(length), 16)
    if d == 1:  # no matrices: 2048 values of any shape
        rows = min(triton.next_power_of_2(c), 64) if last else 2048 // min(pixels, 512)
        return rows, 2048 // rows, 4, 1
    rows = max(triton.next_power_of_2(d), 16)
    stages = 1 if rows == 64 else 2 if size == 4 else 3  # of 64 rows the matrices alone fill the shared memory
    return rows, min(pixels, 32 if rows > 16 and size == 4 else 64), rows // 16, stages


@functools.lru_cache(maxsize=64)
def processors_of(device: torch.device) -> int:
    """How many a GPU has; 1 of a CPU, in the interpreter."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == 'cuda' else 1


# From here on, the parts of kernels.


@triton.jit
def bounds_of(program, length, chunk, chunks, tiles):
    """Sample, chunk and tile of a program, and its pixels, from `start` to before `stop`."""
    part = program // tiles % chunks
    start = part * chunk
    sample = (program // tiles // chunks).to(tl.int64)  # offsets may pass 2³¹
    return sample, part, program % tiles, start, tl.minimum(start + chunk, length)


@triton.jit
def rows_of(tile, channels, D: tl.constexpr, ROWS: tl.constexpr):
    """The channels (ROWS,) of a tile, and which of them are there."""
    rows = tl.arange(0, ROWS)
    channel = tile * (ROWS // D * D) + rows
    return channel, (rows < ROWS // D * D) & (channel < channels)


@triton.jit
def tile_at(sample, pixel, channel, valid, channels, length, ROWS: tl.constexpr, BLOCK: tl.constexpr,
            LAST: tl.constexpr, FULL: tl.constexpr):
    """Offsets and mask (ROWS, BLOCK) of the pixels from `pixel` on; FULL says that no tile has a gap."""
    pixels = tl.arange(0, BLOCK)
    if LAST:  # `sample` makes the products 64 bits wide
        offsets = (sample * length + pixel) * channels + (channel[:, None] + pixels[None, :] * channels)
    else:
        offsets = ((sample * channels + channel) * length + pixel)[:, None] + pixels[None, :]
    if FULL:
        mask = tl.full((ROWS, BLOCK), True, tl.int1)
    else:
        mask = valid[:, None] & (pixel + pixels < length)[None, :]
    return offsets, mask


@triton.jit
def load_vector(vector, sample, channel, valid, channels):
    """(ROWS,) of a vector (N, C); `sample` is 0 where one serves all."""
    return tl.load(vector + sample * channels + channel, mask=valid, other=0.0)


@triton.jit
def load_matrix(matrix, sample, channel, valid, channels, D: tl.constexpr, TRANSPOSED: tl.constexpr):
    """(ROWS, ROWS), block-diagonal over a tile's groups, of matrices (N, G, D, D)."""
    row, column = channel[:, None], channel[None, :]
    offsets = column * D + row % D if TRANSPOSED else row * D + column % D
    mask = valid[:, None] & valid[None, :] & (row // D == column // D)
    return tl.load(matrix + sample * channels * D + offsets, mask=mask, other=0.0)


@triton.jit
def load_squares(matrices, sample, channel, valid, channels, D: tl.constexpr):
    """`load_matrix`, or with D = 1 one value a row, (ROWS, 1)."""
    if D == 1:
        result = load_vector(matrices, sample, channel, valid, channels)[:, None]
    else:
        result = load_matrix(matrices, sample, channel, valid, channels, D, False)
    return result


@triton.jit
def store_sums(vectors, matrices, vector, matrix, sample, part, channel, valid, channels, chunks, D: tl.constexpr):
    """A chunk's (ROWS,) and (ROWS, ROWS), or with D = 1 (ROWS,), into (N, G, chunks, D) and (N, G, chunks, D, D)."""
    index = ((sample * (channels // D) + channel // D) * chunks + part) * D + channel % D
    tl.store(vectors + index, vector, mask=valid)
    if D == 1:
        tl.store(matrices + index, matrix, mask=valid)
    else:
        row, column = channel[:, None], channel[None, :]
        mask = valid[:, None] & valid[None, :] & (row // D == column // D)
        tl.store(matrices + index[:, None] * D + column % D, matrix, mask=mask)


@triton.jit
def to_tf32(value):
    """The nearest value with 10 bits of mantissa (a tensor core drops the other 13), except that NaN may be lost."""
    return ((value.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def split(value):
    """high + low = value, with `high` whole in TF32; NaN stays in `low`."""
    high = to_tf32(value)
    return high, value - high


@triton.jit
def add_product(total, high, low, other, WHOLE: tl.constexpr):
    """total + (high + low) @ other, in fp32; WHOLE says that TF32 holds all of `other`."""
    if WHOLE:
        total = tl.dot(low, other, total, input_precision='tf32')
        total = tl.dot(high, other, total, input_precision='tf32')
    else:
        other_high, other_low = split(other)
        total = tl.dot(low, other_high, total, input_precision='tf32')
        total = tl.dot(high, other_low, total, input_precision='tf32')
        total = tl.dot(high, other_high, total, input_precision='tf32')
    return total
