"""The first pass over the activation, forward and backward, which also joins what the chunks of a sample gave.

A chunk's program stores its part. Of each BUNCH of chunks the program that comes last joins them, and of the bunches
of a sample again the last, so that no program has to read more than BUNCH parts and one for each bunch. With POOL the
last sample's program joins the samples as well, to the moments of the batch.
"""

import triton
import triton.language as tl

from .passes import gradients_of, moments_of, parts_of
from .tickets import is_last
from .tiles import bounds_of, rows_of, store_sums

__all__ = ['gather_gradients_kernel', 'gather_moments_kernel']


@triton.jit
def gather_moments_kernel(x, means, covs, sample_mean, sample_cov, batch_mean, batch_cov, tickets, samples, channels,
                          units, chunk, chunks, tiles, WHOLE: tl.constexpr, POOL: tl.constexpr, BUNCH: tl.constexpr,
                          PARTS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                          LAST: tl.constexpr, FULL: tl.constexpr, UNIT: tl.constexpr):
    """Mean and biased covariance of each sample, with POOL also of the batch.

    `means` and `covs` have room for a sample's chunks and bunches; they are None where a sample is one chunk.
    `tickets` are those of each sample and tile, one for each bunch and one more, and then one for each tile.
    """
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(tl.program_id(0), length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    mean, cov = moments_of(x, sample, channel, valid, start, stop, channels, length, WHOLE, D, ROWS, BLOCK, LAST, FULL)
    if means is None:
        store_sums(sample_mean, sample_cov, mean, cov, sample, 0, channel, valid, channels, 1, D)
        if POOL:
            ticket = tickets + 2 * samples * tiles + tile
            _pool(sample_mean, sample_cov, batch_mean, batch_cov, ticket, samples, channel, valid, channels, PARTS, D,
                  ROWS)
    else:
        whole = _store_joined(means, covs, sample_mean, sample_cov, mean, cov, tickets, sample, part, tile, channel,
                              valid, channels, length, chunk, chunks, tiles, True, BUNCH, PARTS, D, ROWS)
        if POOL:  # noqa: SIM102  the compiler knows POOL, but not `whole`
            if whole:
                ticket = tickets + samples * tiles * (tl.cdiv(chunks, BUNCH) + 1) + tile
                _pool(sample_mean, sample_cov, batch_mean, batch_cov, ticket, samples, channel, valid, channels, PARTS,
                      D, ROWS)


@triton.jit
def gather_gradients_kernel(dy, x, shift, shift_step, totals, products, total, product, tickets, channels, units,
                            chunk, chunks, tiles, WHOLE: tl.constexpr, BUNCH: tl.constexpr, PARTS: tl.constexpr,
                            D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, LAST: tl.constexpr,
                            FULL: tl.constexpr, UNIT: tl.constexpr):
    """Σ dy and Σ dy (x − shift)ᵀ of each sample; `totals`, `products` and `tickets` as in `gather_moments_kernel`."""
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(tl.program_id(0), length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    first, second = gradients_of(dy, x, shift, shift_step, sample, channel, valid, start, stop, channels, length,
                                 WHOLE, D, ROWS, BLOCK, LAST, FULL)
    if totals is None:
        store_sums(total, product, first, second, sample, 0, channel, valid, channels, 1, D)
    else:
        _store_joined(totals, products, total, product, first, second, tickets, sample, part, tile, channel, valid,
                      channels, length, chunk, chunks, tiles, False, BUNCH, PARTS, D, ROWS)


@triton.jit
def _store_joined(vectors, matrices, vector, matrix, first, second, tickets, sample, part, tile, channel, valid,
                  channels, length, chunk, chunks, tiles, MOMENTS: tl.constexpr, BUNCH: tl.constexpr,
                  PARTS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """Stores a chunk's part, and where it is the last, what the parts of its sample make, into `vector` and `matrix`.

    Returns whether it was the last.
    """
    bunches = tl.cdiv(chunks, BUNCH)
    room = chunks + bunches  # for parts, of each sample and group
    store_sums(vectors, matrices, first, second, sample, part, channel, valid, channels, room, D)
    tickets += (sample * tiles + tile) * (bunches + 1)
    at = ((sample * (channels // D) + channel // D) * room) * D + channel % D  # of the first part's vector
    bunch = part // BUNCH
    begin = bunch * BUNCH
    count = tl.minimum(chunks - begin, BUNCH)
    last = is_last(tickets + bunch, count)
    if last:
        pixels = tl.minimum(length - begin * chunk, BUNCH * chunk)
        first, second = _joined(vectors, matrices, at + begin * D, D, count, chunk, pixels, channel, valid, MOMENTS,
                                PARTS, D, ROWS)
        if bunches > 1:
            store_sums(vectors, matrices, first, second, sample, chunks + bunch, channel, valid, channels, room, D)
            last = is_last(tickets + bunches, bunches)
            if last:
                first, second = _joined(vectors, matrices, at + chunks * D, D, bunches, BUNCH * chunk, length, channel,
                                        valid, MOMENTS, PARTS, D, ROWS)
        if last:
            store_sums(vector, matrix, first, second, sample, 0, channel, valid, channels, 1, D)
    return last


@triton.jit
def _pool(sample_mean, sample_cov, batch_mean, batch_cov, ticket, samples, channel, valid, channels,
          PARTS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """The moments of the batch, if this sample is the last of its tile."""
    if is_last(ticket, samples):
        mean, cov = _joined(sample_mean, sample_cov, channel.to(tl.int64), channels, samples, 1, samples, channel,
                            valid, True, PARTS, D, ROWS)
        store_sums(batch_mean, batch_cov, mean, cov, 0, 0, channel, valid, channels, 1, D)


@triton.jit
def _joined(vectors, matrices, at, step, count, unit, whole, channel, valid, MOMENTS: tl.constexpr,
            PARTS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """The sum (ROWS,) and (ROWS, ROWS), with D = 1 (ROWS,), of `count` parts, or where these are MOMENTS of `unit`
    pixels each, the last of what is left of `whole`, the law of total covariance.

    `at` (ROWS,) are the offsets of the first part's vector, and `step` lies between two parts. Loads bypass the
    first-level cache, which need not know what others have written.
    """
    origin, mean = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS,), tl.float32)
    if MOMENTS:  # means relative to that of the first part, which may be large
        origin += tl.load(vectors + at, mask=valid, other=0.0, cache_modifier='.cg')
    for begin in range(0, count, PARTS):
        part, weight = parts_of(begin, whole, unit, count, PARTS, MOMENTS)
        mask = (part < count)[:, None] & valid[None, :]
        offsets = at[None, :] + (part * step)[:, None]
        values = tl.load(vectors + offsets, mask=mask, other=0.0, cache_modifier='.cg')
        mean += tl.sum(tl.where(mask, weight[:, None] * (values - origin[None, :]), 0.0), 0)
    if D == 1:
        result = tl.zeros((ROWS,), tl.float32)
    else:
        result = tl.zeros((ROWS, ROWS), tl.float32)
    for begin in range(0, count, PARTS):
        part, weight = parts_of(begin, whole, unit, count, PARTS, MOMENTS)
        mask = (part < count)[:, None] & valid[None, :]
        offsets = at[None, :] + (part * step)[:, None]
        deviation = tl.zeros((PARTS, ROWS), tl.float32)
        if MOMENTS:
            values = tl.load(vectors + offsets, mask=mask, other=0.0, cache_modifier='.cg')
            deviation += tl.where(mask, values - origin[None, :] - mean[None, :], 0.0)
        if D == 1:
            values = tl.load(matrices + offsets, mask=mask, other=0.0, cache_modifier='.cg')
            result += tl.sum(weight[:, None] * (values + deviation * deviation), 0)
        else:
            column = tl.arange(0, ROWS)[None, None, :]
            together = (channel // D)[None, :, None] == (channel // D)[None, None, :]
            squared = mask[:, :, None] & valid[None, None, :] & together
            values = tl.load(matrices + offsets[:, :, None] * D + column % D, mask=squared, other=0.0,
                             cache_modifier='.cg')
            result += tl.sum(weight[:, None, None] * (values + deviation[:, :, None] * deviation[:, None, :]), 0)
    return origin + mean, result
