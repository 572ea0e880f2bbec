"""The forward of a whole layer in three kernels: `gather_moments_kernel`, `mix_kernel`, `apply_kernel`.

Between processes, and in an eigendecomposition, the algebra stops halfway; there `algebra` and `passes` do the same in
more kernels. Here each program of `mix_kernel` pools the batch moments of its group by itself, where samples are few,
and `apply_kernel` has a few programs more, which move the running statistics.

The passes subtract the image's mean where Ω has statistics of the image, else that of the batch: seen from there, μ̂ is
what `Affine.mean` says, or zero.
"""

import triton
import triton.language as tl

from .mix_to_affine import layer_sums, mixed, store_affine, store_vector
from .newton import square, squares
from .passes import factors_of, move, vector_or_zeros, write
from .tiles import bounds_of, rows_of

__all__ = ['apply_kernel', 'mix_kernel', 'pooled']


@triton.jit
def mix_kernel(mean_logits, cov_logits, sample_mean, sample_cov, batch_mean, batch_cov, layer, weight, bias, means,
               covs, roots, matrices, vectors, tickets, eps, samples, groups, POOL: tl.constexpr,
               ITERATIONS: tl.constexpr, COUNT: tl.constexpr, BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr,
               IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr):
    """μ̂, Σ̂, its inverse square root, A and b; with POOL also the batch moments, and with 'ln' those of the layer.

    A program a sample and group, or where one A serves all samples, a group. `tickets` (G + 1,) begin at zero: they
    are for the backward.
    """
    program = tl.program_id(0)
    group = program % groups
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    inside, at = row < D, program * D + row
    IMAGE: tl.constexpr = IW >= 0 or IN >= 0 or LN >= 0
    origin, sample = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS, ROWS), tl.float32)
    of_layer, layer_var = 0.0, 0.0
    of_batch, batch = _batch_moments(sample_mean, sample_cov, batch_mean, batch_cov, program, samples, groups, POOL,
                                     BW >= 0 or BN >= 0, D, ROWS, PARTS)
    if IMAGE:
        origin += tl.load(sample_mean + at, mask=inside, other=0.0)
    if IW >= 0 or IN >= 0:
        sample += tl.load(sample_cov + offsets, mask=mask, other=0.0)
    if LN >= 0:
        of_layer, layer_var = layer_sums(sample_mean, sample_cov, program // groups, groups * D, D, True)
        if group == 0:
            tl.store(layer + 2 * (program // groups), of_layer)
            tl.store(layer + 2 * (program // groups) + 1, layer_var)
    mean, cov = mixed(mean_logits, cov_logits, origin, of_batch, batch, sample, of_layer, layer_var, unit, inside, eps,
                      COUNT, BW, IW, BN, IN, LN)
    matrix = store_affine(means, covs, roots, matrices, mean, cov, weight, program, group, ITERATIONS, D, ROWS)
    if IMAGE:
        store_vector(vectors, program, matrix, mean, bias, group, D, ROWS)
    else:
        store_vector(vectors, program, matrix, tl.zeros_like(mean), bias, group, D, ROWS)
    if program < groups:
        tl.store(tickets + group, 0)
    if program == 0:
        tl.store(tickets + groups, 0)


@triton.jit
def _batch_moments(sample_mean, sample_cov, batch_mean, batch_cov, program, samples, groups, POOL: tl.constexpr,
                   NAMED: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr):
    """Of a program's group, pooled and stored by the first of its programs, or loaded where Ω names them; else 0."""
    group, row = program % groups, tl.arange(0, ROWS)
    offsets, mask, _ = square(group, D, ROWS)
    mean, cov = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS, ROWS), tl.float32)
    if POOL:
        mean, cov = pooled(sample_mean, sample_cov, group, groups, samples, D, ROWS, PARTS)
        if program < groups:
            tl.store(batch_mean + group * D + row, mean, mask=row < D)
            tl.store(batch_cov + offsets, cov, mask=mask)
    elif NAMED:
        mean += tl.load(batch_mean + group * D + row, mask=row < D, other=0.0)
        cov += tl.load(batch_cov + offsets, mask=mask, other=0.0)
    return mean, cov


@triton.jit
def pooled(sample_mean, sample_cov, group, groups, samples, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr):
    """The batch moments (ROWS,) and (ROWS, ROWS) of a group, by the law of total covariance, seen from the first."""
    row = tl.arange(0, ROWS)
    origin = tl.load(sample_mean + group * D + row, mask=row < D, other=0.0)
    mean = tl.zeros((ROWS,), tl.float32)
    for begin in range(0, samples, PARTS):
        part = begin + tl.arange(0, PARTS)
        at = ((part * groups + group) * D)[:, None] + row[None, :]
        mask = (part < samples)[:, None] & (row < D)[None, :]
        values = tl.load(sample_mean + at, mask=mask, other=0.0) - origin[None, :]
        mean += tl.sum(tl.where(mask, values, 0.0), 0)
    mean /= samples
    cov = tl.zeros((ROWS, ROWS), tl.float32)
    for begin in range(0, samples, PARTS):
        part = begin + tl.arange(0, PARTS)
        index = part * groups + group
        mask = (part < samples)[:, None] & (row < D)[None, :]
        values = tl.load(sample_mean + (index * D)[:, None] + row[None, :], mask=mask, other=0.0)
        deviation = tl.where(mask, values - origin[None, :] - mean[None, :], 0.0)
        offsets, mask = squares(index, part < samples, D, ROWS)
        values = tl.load(sample_cov + offsets, mask=mask, other=0.0)
        cov += tl.sum(values + deviation[:, :, None] * deviation[:, None, :], 0)
    return origin + mean, cov / samples


@triton.jit
def apply_kernel(y, x, matrices, shift, vectors, running_mean, running_cov, tracked, skipped, batch_mean, batch_cov,
                 factor, scale, size, step, shift_step, passes, channels, units, chunk, chunks, tiles,
                 WHOLE: tl.constexpr, TRACKED: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                 LAST: tl.constexpr, FULL: tl.constexpr, UNIT: tl.constexpr):
    """y = A (x − shift) + b by `passes` programs; those beyond them are programs of `track_kernel`."""
    program = tl.num_programs(0) - 1 - tl.program_id(0)  # backwards, as `transform_kernel`
    length = units * UNIT
    if program >= passes:
        if running_mean is not None:
            move(program - passes, running_mean, running_cov, tracked, skipped, batch_mean, batch_cov, factor, scale,
                 channels, size, D, TRACKED)
    else:
        sample, part, tile, start, stop = bounds_of(program, length, chunk, chunks, tiles)
        channel, valid = rows_of(tile, channels, D, ROWS)
        constant = vector_or_zeros(vectors, sample * step, channel, valid, channels)
        about = vector_or_zeros(shift, sample * shift_step, channel, valid, channels)
        high, low = factors_of(matrices, sample * step, channel, valid, channels, D, False)
        write(y, None, x, high, low, high, low, about, constant, sample, channel, valid, start, stop, channels, length,
              WHOLE, D, ROWS, BLOCK, LAST, FULL)
