"""The passes over the activation as Triton kernels, for fp32, bf16 and fp16 on a CUDA device (Equations 2, 3 and 5).

Each reads its inputs once, in whatever memory format they have, and computes in fp32 (`triton_tiles` says how). Few
samples and groups with many pixels would leave most of a GPU idle, so the pixels of each are dealt out in chunks: a
program writes its sums, and a second, small kernel adds up the chunks, in a fixed order, so that equal inputs give
equal results.

Moments are gathered about the mean of a chunk's first block. That mean cannot be far off: with n blocks in the chunk
the squared distance of the two means is at most n − 1 times the variance, so that a mean many standard deviations from
zero costs no digits. Chunks are joined by the law of total covariance.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..algebra import Algebra
from ..moments import Moments, memory_format
from ..settings import Settings
from .triton_newton import newton, newton_backward
from .triton_tiles import (
    Plan,
    add_product,
    bounds_of,
    load_matrix,
    load_vector,
    plan_for,
    rows_of,
    split,
    store_sums,
    tile_at,
    to_tf32,
)

__all__ = ['algebra', 'apply', 'apply_gradient', 'gradient_sums', 'newton', 'newton_backward', 'sample_moments',
           'shift', 'supported']

_LARGEST_GROUP = 64  # D² sums and iterates of a larger one do not fit into registers
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_PLAIN = (Tensor, torch.nn.Parameter)
_PARTS = 16  # chunks that the second kernel adds up at once


def supported(x: Tensor, group_size: int) -> bool:
    """Needs TF32 (compute capability 8.0). False under tracing, and where a tensor has no memory of its own."""
    if x.dtype not in _DTYPES or not 1 <= group_size <= _LARGEST_GROUP or type(x) not in _PLAIN:
        return False
    if torch.jit.is_tracing():
        return False
    if not isinstance(_moments_kernel, triton.JITFunction):  # Triton's interpreter
        return x.device.type == 'cpu'
    return x.is_cuda and torch.version.hip is None and torch.cuda.get_device_capability(x.device) >= (8, 0)


def algebra(settings: Settings) -> Algebra:
    return Algebra(newton, newton_backward)


def sample_moments(x: Tensor, group_size: int) -> Moments:
    plan = plan_for(x, group_size)
    mean, cov = _sums_for(plan, x)
    if x.numel():
        with _device(x):
            _moments_kernel[plan.grid](x, mean, cov, *plan.sizes, WHOLE=x.element_size() == 2, **plan.constants)
    return Moments(*_combine(mean, cov, plan, moments=True))


def shift(sample: Moments) -> Tensor:
    """Always the mean: subtracting it costs nothing beside the memory traffic."""
    return sample.mean


def apply(x: Tensor, shift: Tensor | None, matrix: Tensor, vector: Tensor) -> Tensor:
    return _transform(None, None, x, shift, matrix, vector)


def gradient_sums(dy: Tensor, x: Tensor, shift: Tensor | None, group_size: int) -> tuple[Tensor, Tensor]:
    plan = plan_for(x, group_size)
    _check_alike(dy, x)
    total, product = _sums_for(plan, x)
    if x.numel():
        shift, shift_step = _floats(shift)
        with _device(x):
            _gradient_kernel[plan.grid](dy, x, shift, shift_step, total, product, *plan.sizes,
                                        WHOLE=x.element_size() == 2, **plan.constants)
    return _combine(total, product, plan, moments=False)


def apply_gradient(dy: Tensor, x: Tensor, shift: Tensor | None, matrix: Tensor, quadratic: Tensor | None,
                   vector: Tensor | None) -> Tensor:
    _check_alike(dy, x)
    return _transform(dy, matrix, None if quadratic is None else x, shift, quadratic, vector)


def _transform(dy: Tensor | None, first: Tensor | None, x: Tensor | None, shift: Tensor | None, second: Tensor | None,
               vector: Tensor | None) -> Tensor:
    """firstᵀ dy + second (x − shift) + vector, of the terms that are there."""
    like = dy if x is None else x
    plan = plan_for(like, (second if first is None else first).shape[-1])
    y = torch.empty_like(like, memory_format=memory_format(like))
    if like.numel():
        small = [item for tensor in (first, second, shift, vector) for item in _floats(tensor)]
        with _device(like):
            _transform_kernel[plan.grid](y, dy, x, *small, *plan.sizes, WHOLE=like.element_size() == 2,
                                         **plan.constants)
    return y


def _sums_for(plan: Plan, x: Tensor) -> tuple[Tensor, Tensor]:
    """Room for a vector (N, G, chunks, D) and a matrix (N, G, chunks, D, D)."""
    shape = (plan.n, plan.c // plan.d, plan.chunks, plan.d)
    return tuple(torch.empty(size, dtype=torch.float32, device=x.device) for size in (shape, (*shape, plan.d)))


def _combine(vectors: Tensor, matrices: Tensor, plan: Plan, moments: bool) -> tuple[Tensor, Tensor]:
    """The chunks' sums, or their moments, as those of all pixels: (N, G, D) and (N, G, D, D)."""
    if plan.chunks == 1:
        return vectors.squeeze(2), matrices.squeeze(2)
    if plan.chunks == 0 or plan.n == 0:
        return vectors.new_zeros(vectors[:, :, 0:0].sum(2).shape), matrices[:, :, 0:0].sum(2)
    vector, matrix = torch.empty_like(vectors[:, :, 0]), torch.empty_like(matrices[:, :, 0])
    with _device(vectors):
        _combine_kernel[(plan.n * plan.c,)](vectors, matrices, vector, matrix, plan.length, plan.chunk, plan.chunks,
                                            D=plan.d, WIDTH=triton.next_power_of_2(plan.d), PARTS=_PARTS,
                                            MOMENTS=moments, num_warps=1)
    return vector, matrix


def _floats(tensor: Tensor | None) -> tuple[Tensor | None, int]:
    """A small tensor for a kernel, and by what its sample index is multiplied: 0 where one sample serves all."""
    return (None, 0) if tensor is None else (tensor.float().contiguous(), int(tensor.shape[0] > 1))


def _check_alike(dy: Tensor, x: Tensor) -> None:
    if dy.shape != x.shape or dy.dtype != x.dtype or memory_format(dy) != memory_format(x):
        raise ValueError(f'dy {tuple(dy.shape)}, {dy.dtype}, {memory_format(dy)} must be as x: {tuple(x.shape)}, '
                         f'{x.dtype}, {memory_format(x)}')


def _device(x: Tensor) -> AbstractContextManager:
    """Kernels start on the current device: make it that of x."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


@triton.jit
def _moments_kernel(x, means, covs, channels, units, chunk, chunks, tiles, WHOLE: tl.constexpr, D: tl.constexpr,
                    ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr,
                    UNIT: tl.constexpr):
    """Mean and biased covariance of each chunk."""
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(tl.program_id(0), length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    offsets, mask = tile_at(sample, start, channel, valid, channels, length, ROWS, BLOCK, LAST, FULL)
    first = tl.load(x + offsets, mask=mask, other=0.0).to(tl.float32)
    about = tl.sum(first, 1) / tl.minimum(length - start, BLOCK)
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    product = tl.zeros((ROWS, BLOCK if D == 1 else ROWS), tl.float32)
    cross = tl.zeros((ROWS, BLOCK if D == 1 else ROWS), tl.float32)
    for pixel in range(start, stop, BLOCK):
        offsets, mask = tile_at(sample, pixel, channel, valid, channels, length, ROWS, BLOCK, LAST, FULL)
        block = tl.load(x + offsets, mask=mask, other=0.0).to(tl.float32)
        centred = tl.where(mask, block - about[:, None], 0.0)
        total += centred
        if D == 1:
            product += centred * centred
        elif WHOLE:  # half precision: rounding the difference to TF32 is less than the rounding of x itself
            rounded = to_tf32(centred)
            product = tl.dot(rounded, tl.trans(rounded), product, input_precision='tf32')
        else:  # (h + l)(h + l)ᵀ without l lᵀ, of which h lᵀ and l hᵀ are each other's transpose
            high, low = split(centred)
            product = tl.dot(high, tl.trans(high), product, input_precision='tf32')
            cross = tl.dot(high, tl.trans(low), cross, input_precision='tf32')
    count = stop - start
    mean = tl.sum(total, 1) / count
    if D == 1:
        cov = tl.sum(product, 1) / count - mean * mean
    else:
        cov = (product + (cross + tl.trans(cross))) / count - mean[:, None] * mean[None, :]
    store_sums(means, covs, about + mean, cov, sample, part, channel, valid, channels, chunks, D)


@triton.jit
def _gradient_kernel(dy, x, shift, shift_step, totals, products, channels, units, chunk, chunks, tiles,
                     WHOLE: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                     LAST: tl.constexpr, FULL: tl.constexpr, UNIT: tl.constexpr):
    """Σ dy and Σ dy (x − shift)ᵀ of each chunk."""
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(tl.program_id(0), length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    if shift is not None:
        about = load_vector(shift, sample * shift_step, channel, valid, channels)
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    product = tl.zeros((ROWS, BLOCK if D == 1 else ROWS), tl.float32)
    for pixel in range(start, stop, BLOCK):
        offsets, mask = tile_at(sample, pixel, channel, valid, channels, length, ROWS, BLOCK, LAST, FULL)
        gradient = tl.load(dy + offsets, mask=mask, other=0.0).to(tl.float32)
        block = tl.load(x + offsets, mask=mask, other=0.0).to(tl.float32)
        if shift is not None:  # where the mask is off, the gradient is zero
            block -= about[:, None]
        total += gradient
        if D == 1:
            product += gradient * block
        elif WHOLE:
            product = tl.dot(gradient, tl.trans(to_tf32(block)), product, input_precision='tf32')
        else:
            high, low = split(gradient)
            product = add_product(product, high, low, tl.trans(block), False)
    if D == 1:
        product = tl.sum(product, 1)
    store_sums(totals, products, tl.sum(total, 1), product, sample, part, channel, valid, channels, chunks, D)


@triton.jit
def _transform_kernel(y, dy, x, first, first_step, second, second_step, shift, shift_step, vector, vector_step,
                      channels, units, chunk, chunks, tiles, WHOLE: tl.constexpr, D: tl.constexpr,
                      ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr,
                      UNIT: tl.constexpr):
    """y = firstᵀ dy + second (x − shift) + vector, of the terms that are there."""
    # Backwards: the pass before this one has read the end last, and some of it may still be in the cache.
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(program, length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    constant = tl.zeros((ROWS,), tl.float32)
    if vector is not None:
        constant += load_vector(vector, sample * vector_step, channel, valid, channels)
    about = tl.zeros((ROWS,), tl.float32)
    if shift is not None:
        about += load_vector(shift, sample * shift_step, channel, valid, channels)
    if D == 1:
        if dy is not None:
            gain = load_vector(first, sample * first_step, channel, valid, channels)[:, None]
        if x is not None:
            slope = load_vector(second, sample * second_step, channel, valid, channels)[:, None]
    else:
        if dy is not None:
            high, low = split(load_matrix(first, sample * first_step, channel, valid, channels, D, True))
        if x is not None:
            matrix = load_matrix(second, sample * second_step, channel, valid, channels, D, False)
            second_high, second_low = split(matrix)
            if WHOLE:  # x stays whole in TF32 if the shift goes into the constant
                constant -= tl.sum(matrix * about[None, :], 1)
    for pixel in range(start, stop, BLOCK):
        offsets, mask = tile_at(sample, pixel, channel, valid, channels, length, ROWS, BLOCK, LAST, FULL)
        result = tl.zeros((ROWS, BLOCK), tl.float32)
        if x is not None:
            block = tl.load(x + offsets, mask=mask, other=0.0).to(tl.float32)
            if D == 1:
                result += slope * (block - about[:, None])
            elif WHOLE:
                result = add_product(result, second_high, second_low, block, True)
            else:
                result = add_product(result, second_high, second_low, block - about[:, None], False)
        if dy is not None:
            gradient = tl.load(dy + offsets, mask=mask, other=0.0).to(tl.float32)
            if D == 1:
                result += gain * gradient
            else:
                result = add_product(result, high, low, gradient, WHOLE)
        tl.store(y + offsets, (result + constant[:, None]).to(y.dtype.element_ty), mask=mask)


@triton.jit
def _combine_kernel(vectors, matrices, vector, matrix, length, chunk, chunks, D: tl.constexpr, WIDTH: tl.constexpr,
                    PARTS: tl.constexpr, MOMENTS: tl.constexpr):
    """One row of the matrix of one sample and group: the sum over chunks, or the law of total covariance."""
    program = tl.program_id(0).to(tl.int64)
    row, base = program % D, program // D * chunks
    column = tl.arange(0, WIDTH)
    origin = tl.zeros((WIDTH,), tl.float32)
    if MOMENTS:  # means of chunks relative to that of the first, which may be large
        origin += tl.load(vectors + base * D + column, mask=column < D, other=0.0)
    mean = tl.zeros((WIDTH,), tl.float32)
    for begin in range(0, chunks, PARTS):
        part = begin + tl.arange(0, PARTS)
        weight = tl.where(part < chunks, 1.0, 0.0)
        if MOMENTS:
            weight *= tl.minimum(length - part * chunk, chunk) / length
        mask = (part < chunks)[:, None] & (column < D)[None, :]
        values = tl.load(vectors + (base + part)[:, None] * D + column[None, :], mask=mask, other=0.0)
        mean += tl.sum(weight[:, None] * (values - origin[None, :]), 0)
    result = tl.zeros((WIDTH,), tl.float32)
    for begin in range(0, chunks, PARTS):
        part = begin + tl.arange(0, PARTS)
        mask = (part < chunks)[:, None] & (column < D)[None, :]
        values = tl.load(matrices + ((base + part)[:, None] * D + row) * D + column[None, :], mask=mask, other=0.0)
        if MOMENTS:
            weight = tl.where(part < chunks, tl.minimum(length - part * chunk, chunk) / length, 0.0)
            means = tl.load(vectors + (base + part)[:, None] * D + column[None, :], mask=mask, other=0.0)
            apart = means - origin[None, :] - mean[None, :]
            own = tl.sum(tl.where(column[None, :] == row, apart, 0.0), 1)
            values = weight[:, None] * (values + own[:, None] * apart)
        result += tl.sum(values, 0)
    tl.store(vector + program, tl.sum(tl.where(column == row, origin + mean, 0.0), 0))
    tl.store(matrix + program * D + column, result, mask=column < D)
