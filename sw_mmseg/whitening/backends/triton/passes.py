"""The kernels behind `backend`: what one program does; the arithmetic is explained in `tiles`."""

import triton
import triton.language as tl

from .tiles import add_product, bounds_of, load_matrix, load_vector, rows_of, split, store_sums, tile_at, to_tf32

__all__ = ['combine_kernel', 'factors_of', 'gradient_kernel', 'gradients_of', 'moments_kernel', 'moments_of', 'move',
           'parts_of', 'track_kernel', 'transform_kernel', 'vector_or_zeros', 'write']


@triton.jit
def moments_kernel(x, means, covs, channels, units, chunk, chunks, tiles, WHOLE: tl.constexpr, D: tl.constexpr,
                   ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr,
                   UNIT: tl.constexpr):
    """Mean and biased covariance of each chunk."""
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(tl.program_id(0), length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    mean, cov = moments_of(x, sample, channel, valid, start, stop, channels, length, WHOLE, D, ROWS, BLOCK, LAST, FULL)
    store_sums(means, covs, mean, cov, sample, part, channel, valid, channels, chunks, D)


@triton.jit
def moments_of(x, sample, channel, valid, start, stop, channels, length, WHOLE: tl.constexpr, D: tl.constexpr,
               ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr):
    """Mean (ROWS,) and biased covariance (ROWS, ROWS), with D = 1 (ROWS,), of the pixels from `start` to `stop`."""
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
    return about + mean, cov


@triton.jit
def gradient_kernel(dy, x, shift, shift_step, totals, products, channels, units, chunk, chunks, tiles,
                    WHOLE: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                    LAST: tl.constexpr, FULL: tl.constexpr, UNIT: tl.constexpr):
    """Σ dy and Σ dy (x − shift)ᵀ of each chunk."""
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(tl.program_id(0), length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    total, product = gradients_of(dy, x, shift, shift_step, sample, channel, valid, start, stop, channels, length,
                                  WHOLE, D, ROWS, BLOCK, LAST, FULL)
    store_sums(totals, products, total, product, sample, part, channel, valid, channels, chunks, D)


@triton.jit
def gradients_of(dy, x, shift, shift_step, sample, channel, valid, start, stop, channels, length, WHOLE: tl.constexpr,
                 D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr):
    """Σ dy (ROWS,) and Σ dy (x − shift)ᵀ (ROWS, ROWS), with D = 1 (ROWS,), over the pixels from `start` to `stop`."""
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
    return tl.sum(total, 1), product


@triton.jit
def transform_kernel(y, dy, x, first, first_step, second, second_step, shift, shift_step, vector, vector_step,
                     channels, units, chunk, chunks, tiles, WHOLE: tl.constexpr, D: tl.constexpr,
                     ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr,
                     UNIT: tl.constexpr):
    """y = firstᵀ dy + second (x − shift) + vector, of the terms that are there."""
    # Backwards: the pass before this one has read the end last, and some of it may still be in the cache.
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(program, length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    constant = vector_or_zeros(vector, sample * vector_step, channel, valid, channels)
    about = vector_or_zeros(shift, sample * shift_step, channel, valid, channels)
    high, low, second_high, second_low = 0.0, 0.0, 0.0, 0.0
    if dy is not None:
        high, low = factors_of(first, sample * first_step, channel, valid, channels, D, True)
    if x is not None:
        second_high, second_low = factors_of(second, sample * second_step, channel, valid, channels, D, False)
    write(y, dy, x, high, low, second_high, second_low, about, constant, sample, channel, valid, start, stop, channels,
          length, WHOLE, D, ROWS, BLOCK, LAST, FULL)


@triton.jit
def write(y, dy, x, high, low, second_high, second_low, about, constant, sample, channel, valid, start, stop, channels,
          length, WHOLE: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr,
          FULL: tl.constexpr):
    """The pixels from `start` to `stop` of a tile of y, from matrices in two parts."""
    if x is not None and WHOLE and D > 1:  # x stays whole in TF32 if the shift goes into the constant
        constant -= tl.sum((second_high + second_low) * about[None, :], 1)
    for pixel in range(start, stop, BLOCK):
        offsets, mask = tile_at(sample, pixel, channel, valid, channels, length, ROWS, BLOCK, LAST, FULL)
        result = tl.zeros((ROWS, BLOCK), tl.float32)
        if x is not None:
            block = tl.load(x + offsets, mask=mask, other=0.0).to(tl.float32)
            if not (WHOLE and D > 1):
                block -= about[:, None]
            result = _add_factor(result, second_high, second_low, block, WHOLE, D)
        if dy is not None:
            gradient = tl.load(dy + offsets, mask=mask, other=0.0).to(tl.float32)
            result = _add_factor(result, high, low, gradient, WHOLE, D)
        tl.store(y + offsets, (result + constant[:, None]).to(y.dtype.element_ty), mask=mask)


@triton.jit
def factors_of(matrices, sample, channel, valid, channels, D: tl.constexpr, TRANSPOSED: tl.constexpr):
    """A tile's matrix in two parts, or with D = 1 one factor a row, (ROWS, 1)."""
    if D == 1:
        high = load_vector(matrices, sample, channel, valid, channels)[:, None]
        low = high  # of no use
    else:
        high, low = split(load_matrix(matrices, sample, channel, valid, channels, D, TRANSPOSED))
    return high, low


@triton.jit
def _add_factor(total, high, low, block, WHOLE: tl.constexpr, D: tl.constexpr):
    if D == 1:
        total += high * block
    else:
        total = add_product(total, high, low, block, WHOLE)
    return total


@triton.jit
def vector_or_zeros(vector, sample, channel, valid, channels):
    result = tl.zeros_like(channel).to(tl.float32)
    if vector is not None:
        result += load_vector(vector, sample, channel, valid, channels)
    return result


@triton.jit
def combine_kernel(vectors, matrices, vector, matrix, length, chunk, chunks, whole_step, part_step, D: tl.constexpr,
                   WIDTH: tl.constexpr, PARTS: tl.constexpr, MOMENTS: tl.constexpr):
    """A row of one matrix, the sum of its parts, or where these are moments, the law of total covariance; and a vector.

    Part p of whole w is the (w · whole_step + p · part_step)-th of `vectors` (..., D) and `matrices` (..., D, D). A
    part has `chunk` pixels, the last what is left of `length`.
    """
    program = tl.program_id(0).to(tl.int64)
    row, first = program % D, program // D * whole_step
    column = tl.arange(0, WIDTH)
    origin = tl.zeros((WIDTH,), tl.float32)
    if MOMENTS:  # means relative to that of the first part, which may be large
        origin += tl.load(vectors + first * D + column, mask=column < D, other=0.0)
    mean = tl.zeros((WIDTH,), tl.float32)
    for begin in range(0, chunks, PARTS):
        part, weight = parts_of(begin, length, chunk, chunks, PARTS, MOMENTS)
        offsets = (first + part * part_step)[:, None] * D + column[None, :]
        mask = (part < chunks)[:, None] & (column < D)[None, :]
        values = tl.load(vectors + offsets, mask=mask, other=0.0)
        mean += tl.sum(weight[:, None] * (values - origin[None, :]), 0)
    result = tl.zeros((WIDTH,), tl.float32)
    for begin in range(0, chunks, PARTS):
        part, weight = parts_of(begin, length, chunk, chunks, PARTS, MOMENTS)
        offsets = (first + part * part_step)[:, None] * D + column[None, :]
        mask = (part < chunks)[:, None] & (column < D)[None, :]
        values = tl.load(matrices + (offsets - column[None, :] + row) * D + column[None, :], mask=mask, other=0.0)
        if MOMENTS:
            deviation = tl.load(vectors + offsets, mask=mask, other=0.0) - origin[None, :] - mean[None, :]
            values += tl.sum(tl.where(column[None, :] == row, deviation, 0.0), 1)[:, None] * deviation
        result += tl.sum(weight[:, None] * values, 0)
    tl.store(vector + program, tl.sum(tl.where(column == row, origin + mean, 0.0), 0))
    tl.store(matrix + program * D + column, result, mask=column < D)


@triton.jit
def parts_of(begin, length, chunk, chunks, PARTS: tl.constexpr, MOMENTS: tl.constexpr):
    """The parts from `begin` on, and their weights, of which those of parts that are not there are zero."""
    part = begin + tl.arange(0, PARTS)
    weight = tl.where(part < chunks, 1.0, 0.0)
    if MOMENTS:
        weight *= tl.minimum(length - part * chunk, chunk) / length
    return part, weight


@triton.jit
def track_kernel(running_mean, running_cov, tracked, skipped, mean, cov, factor, scale, channels, size,
                 D: tl.constexpr, BLOCK: tl.constexpr):
    """running ← running + factor (new − running), with `scale` on the covariance, whose `size` is not below C.

    Every program looks at all variances, of which one that is not finite stops them all.
    """
    move(tl.program_id(0), running_mean, running_cov, tracked, skipped, mean, cov, factor, scale, channels, size, D,
         BLOCK)


@triton.jit
def move(program, running_mean, running_cov, tracked, skipped, mean, cov, factor, scale, channels, size,
         D: tl.constexpr, BLOCK: tl.constexpr):
    """A program of `track_kernel`."""
    faults = tl.zeros((BLOCK,), tl.int32)
    for begin in range(0, channels, BLOCK):
        channel = begin + tl.arange(0, BLOCK)
        variance = scale * tl.load(cov + channel * D + channel % D, mask=channel < channels, other=0.0)
        faults += tl.where(variance < float('inf'), 0, 1)  # NaN counts
    moved = tl.where(tl.sum(faults, 0) == 0, 1, 0)
    channels, size = channels * moved, size * moved
    at = program * BLOCK + tl.arange(0, BLOCK)
    old = tl.load(running_cov + at, mask=at < size, other=0.0).to(tl.float32)
    new = old + (scale * tl.load(cov + at, mask=at < size, other=0.0) - old) * factor
    tl.store(running_cov + at, new.to(running_cov.dtype.element_ty), mask=at < size)
    old = tl.load(running_mean + at, mask=at < channels, other=0.0).to(tl.float32)
    new = old + (tl.load(mean + at, mask=at < channels, other=0.0) - old) * factor
    tl.store(running_mean + at, new.to(running_mean.dtype.element_ty), mask=at < channels)
    if program == 0:
        tl.store(tracked, tl.load(tracked) + moved)
        tl.store(skipped, tl.load(skipped) + 1 - moved)
