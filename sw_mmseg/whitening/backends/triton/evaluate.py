"""A layer without a backward, whose batch moments are given: its last kernel, and with batch statistics alone its only
one.

Every program makes the map of its tile by itself, from the moments of its sample and those that are given. Where Ω has
batch statistics alone, inverse square roots are kept from call to call, beside the covariances that they are of, and
serve as long as these are what the layer's parameters and buffers make: the device compares, so that its host need not
wait, and a recorded graph does as well.

What is kept may be read while another launch writes it, in another stream. So a root is valid only if none of its
values is NaN, and is written in two launches: the first, which finds that it is of another covariance, fills it with
NaN, and the next, which finds nothing but NaN, puts the new one there. Each value of a root is thus either NaN or that
of the covariance beside it.
"""

import triton
import triton.language as tl

from .mix_to_affine import layer_sums, mixed
from .passes import vector_or_zeros, write
from .tiles import add_product, bounds_of, load_squares, load_vector, rows_of, split

__all__ = ['evaluate_kernel', 'roots_of']


@triton.jit
def evaluate_kernel(y, x, mean_logits, cov_logits, sample_mean, sample_cov, batch_mean, batch_cov, weight, bias,
                    kept_covs, kept_roots, eps, channels, units, chunk, chunks, tiles, WHOLE: tl.constexpr,
                    ITERATIONS: tl.constexpr, COUNT: tl.constexpr, BW: tl.constexpr, IW: tl.constexpr,
                    BN: tl.constexpr, IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr,
                    BLOCK: tl.constexpr, LAST: tl.constexpr, FULL: tl.constexpr, UNIT: tl.constexpr):
    """y = γ Σ̂^(−1/2) (x − μ̂) + β. `kept_covs` and `kept_roots` are (tiles, ROWS, ROWS), or None."""
    program = tl.num_programs(0) - 1 - tl.program_id(0)  # backwards, as `transform_kernel`
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(program, length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    IMAGE: tl.constexpr = IW >= 0 or IN >= 0 or LN >= 0
    about, mean, cov = _mixed_of_tile(mean_logits, cov_logits, sample_mean, sample_cov, batch_mean, batch_cov, eps,
                                      sample, channel, valid, channels, COUNT, BW, IW, BN, IN, LN, D, ROWS)
    if D == 1:
        matrix = 1 / tl.sqrt(tl.where(valid[:, None], cov, 1.0))
    elif kept_covs is not None:
        matrix = _kept_root(kept_covs, kept_roots, cov, tile, (sample == 0) & (part == 0), channel, valid, ITERATIONS,
                            D, ROWS)
    else:
        matrix = roots_of(cov, channel, valid, ITERATIONS, D, ROWS)
    if weight is not None:
        matrix *= tl.load(weight + channel, mask=valid, other=0.0).to(tl.float32)[:, None]
    constant = vector_or_zeros(bias, 0, channel, valid, channels)
    if IMAGE:  # else μ̂ is what is subtracted from x
        constant -= tl.sum(matrix * mean[:, None], 1) if D == 1 else tl.sum(matrix * mean[None, :], 1)
    high, low = matrix, matrix
    if D > 1:
        high, low = split(matrix)
    write(y, None, x, high, low, high, low, about, constant, sample, channel, valid, start, stop, channels, length,
          WHOLE, D, ROWS, BLOCK, LAST, FULL)


@triton.jit
def _mixed_of_tile(mean_logits, cov_logits, sample_mean, sample_cov, batch_mean, batch_cov, eps, sample, channel,
                   valid, channels, COUNT: tl.constexpr, BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr,
                   IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """What is subtracted from x, μ̂ as seen from there (ROWS,), and Σ̂ (ROWS, ROWS), with D = 1 (ROWS, 1)."""
    COLUMNS: tl.constexpr = 1 if D == 1 else ROWS
    unit = tl.where(valid, 1.0, 0.0)[:, None]
    if D > 1:
        unit = tl.where(channel[:, None] == channel[None, :], unit, 0.0)
    origin, of_batch = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS,), tl.float32)
    batch, of_image = tl.zeros((ROWS, COLUMNS), tl.float32), tl.zeros((ROWS, COLUMNS), tl.float32)
    of_layer, layer_var = 0.0, 0.0
    if BW >= 0 or BN >= 0:
        of_batch += load_vector(batch_mean, 0, channel, valid, channels)
        batch += load_squares(batch_cov, 0, channel, valid, channels, D)
    if IW >= 0 or IN >= 0 or LN >= 0:
        origin += load_vector(sample_mean, sample, channel, valid, channels)
    if IW >= 0 or IN >= 0:
        of_image += load_squares(sample_cov, sample, channel, valid, channels, D)
    if LN >= 0:
        of_layer, layer_var = layer_sums(sample_mean, sample_cov, sample, channels, D, True)
    mean, cov = mixed(mean_logits, cov_logits, origin, of_batch, batch, of_image, of_layer, layer_var, unit, valid, eps,
                      COUNT, BW, IW, BN, IN, LN)
    if IW >= 0 or IN >= 0 or LN >= 0:
        about = origin
    else:
        about = of_batch
    return about, mean, cov


@triton.jit
def _kept_root(kept_covs, kept_roots, cov, tile, first, channel, valid, ITERATIONS: tl.constexpr, D: tl.constexpr,
               ROWS: tl.constexpr):
    """Σ^(−1/2): the one that is kept, if it is that of `cov`. Else it is computed, and one program, the `first`, sees
    to what is kept. Loads bypass the first-level cache, which need not know what others write."""
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, ROWS)[None, :]
    at = (tile * ROWS + row) * ROWS + column
    kept = tl.load(kept_covs + at, cache_modifier='.cg')
    root = tl.load(kept_roots + at, cache_modifier='.cg')
    valid_roots = root == root  # no NaN
    faults = tl.sum(tl.sum(tl.where(valid_roots & (kept == cov), 0, 1), 1), 0)
    if faults != 0:
        values = tl.sum(tl.sum(tl.where(valid_roots, 1, 0), 1), 0)
        root = roots_of(cov, channel, valid, ITERATIONS, D, ROWS)
        if first:
            if values == 0:
                tl.store(kept_covs + at, cov)
                tl.store(kept_roots + at, root)
            else:
                tl.store(kept_roots + at, tl.full((ROWS, ROWS), float('nan'), tl.float32))
    return root


@triton.jit
def roots_of(cov, channel, valid, ITERATIONS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """P_T / √tr Σ of each group of a tile, whose matrices are the blocks of `cov`: `newton.newton_root` of each, by
    tensor cores."""
    same = (channel // D)[:, None] == (channel // D)[None, :]
    unit = tl.where(valid[:, None] & (channel[:, None] == channel[None, :]), 1.0, 0.0)
    variance = tl.sum(cov * unit, 0)
    trace = tl.sum(tl.where(same, variance[None, :], 0.0), 1)
    trace = tl.where(valid, trace, 1.0)[:, None]
    normed = cov / trace
    z = 1.5 * unit - 0.5 * normed
    if ITERATIONS > 1:
        y = _multiply(normed, z)
        for _ in range(ITERATIONS - 2):
            m = 1.5 * unit - 0.5 * _multiply(z, y)
            z, y = _multiply(m, z), _multiply(y, m)
        z = _multiply(1.5 * unit - 0.5 * _multiply(z, y), z)
    return z / tl.sqrt(trace)


@triton.jit
def _multiply(a, b):
    high, low = split(a)
    return add_product(tl.zeros_like(a), high, low, b, False)
