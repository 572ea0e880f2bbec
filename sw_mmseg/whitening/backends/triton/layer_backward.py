"""The backward of a whole layer in three kernels: `gather_gradients_kernel`, `unmix_kernel`, `input_gradient_kernel`.

Sums over samples and groups are made by whichever program of `unmix_kernel` comes last, as `tickets` has it.
"""

import triton
import triton.language as tl

from .mix_to_affine import factor, one, ratios_of, scaled, two
from .mix_to_affine_backward import finish_logits, store_moment_gradients
from .newton import inner, square, squares
from .passes import factors_of, vector_or_zeros, write
from .tickets import is_last
from .tiles import bounds_of, load_squares, load_vector, rows_of, split

__all__ = ['input_gradient_kernel', 'unmix_kernel']


@triton.jit
def unmix_kernel(mean_logits, cov_logits, totals, products, sample_mean, sample_cov, batch_mean, batch_cov, layer,
                 weight, means, covs, roots, matrices, to_weights, to_biases, to_means, to_covs, to_ratios, quadratics,
                 vectors, sums, common, common_vector, tickets, to_weight, to_bias, to_mean_logits, to_cov_logits,
                 share, length, samples, groups, parts, first_step, part_step, SOURCES: tl.constexpr,
                 ITERATIONS: tl.constexpr, COUNT: tl.constexpr, BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr,
                 IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr,
                 MATRICES: tl.constexpr):
    """From Σ dy and Σ dy (x − shift)ᵀ the gradients of all parameters, and what `input_gradient_kernel` adds up.

    A program a sample and group, or where one A serves all samples, a group; it has `parts` of the sums, of which part
    p is the (program · first_step + p · part_step)-th.
    """
    program = tl.program_id(0)
    group = program % groups
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    inside, at = row < D, program * D + row
    IMAGE: tl.constexpr = IW >= 0 or IN >= 0 or LN >= 0
    total, product = _sums(totals, products, program * first_step, parts, part_step, D, ROWS, PARTS)
    if IMAGE:  # else μ̂ is the shift
        mean = tl.load(means + at, mask=inside, other=0.0)
        product -= total[:, None] * mean[None, :]
    root = tl.load(roots + offsets, mask=mask, other=0.0)
    if weight is not None:
        tl.store(to_weights + at, tl.sum(root * product, 1), mask=inside)
    product = scaled(product, weight, group, D, ROWS)
    tl.store(to_biases + at, total, mask=inside)
    to_mean, to_cov = store_moment_gradients(total, product, root, matrices, covs, to_means, to_covs, to_ratios,
                                             sample_mean, sample_cov, batch_mean, batch_cov, layer, program, groups,
                                             ITERATIONS, BW, IW, BN, IN, LN, D, ROWS)
    _store_of_image(mean_logits, cov_logits, to_mean, to_cov, quadratics, vectors, sums, program, length, COUNT, IW, IN,
                    LN, D, ROWS)
    if is_last(tickets + group, samples):
        _finish_group(mean_logits, cov_logits, weight, to_weights, to_biases, to_means, to_covs, common, common_vector,
                      to_weight, to_bias, share / length, samples, group, groups, SOURCES, COUNT, BW, BN, D, ROWS,
                      PARTS)
        if is_last(tickets + groups, groups):
            finish_logits(mean_logits, cov_logits, to_ratios, to_mean_logits, to_cov_logits, samples * groups, COUNT,
                          MATRICES)


@triton.jit
def _store_of_image(mean_logits, cov_logits, to_mean, to_cov, quadratics, vectors, sums, program, length,
                    COUNT: tl.constexpr, IW: tl.constexpr, IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr,
                    ROWS: tl.constexpr):
    """B and c as far as they come from a program's sample alone, and what its group adds for 'ln'."""
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    if IW >= 0 or IN >= 0:
        of_cov = factor(ratios_of(cov_logits, COUNT), IW, IN, unit) * to_cov
        tl.store(quadratics + offsets, (of_cov + tl.trans(of_cov)) / length, mask=mask)
        of_mean = two(ratios_of(mean_logits, COUNT), IW, IN) * to_mean
        tl.store(vectors + program * D + row, of_mean / length, mask=row < D)
    if LN >= 0:
        tl.store(sums + 2 * program, tl.sum(to_mean, 0))
        tl.store(sums + 2 * program + 1, inner(to_cov, unit))


@triton.jit
def _sums(totals, products, first, parts, step, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr):
    row = tl.arange(0, ROWS)
    total, product = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS, ROWS), tl.float32)
    for begin in range(0, parts, PARTS):
        part = begin + tl.arange(0, PARTS)
        index = first + part * step
        mask = (part < parts)[:, None] & (row < D)[None, :]
        total += tl.sum(tl.load(totals + (index * D)[:, None] + row[None, :], mask=mask, other=0.0), 0)
        offsets, mask = squares(index, part < parts, D, ROWS)
        product += tl.sum(tl.load(products + offsets, mask=mask, other=0.0), 0)
    return total, product


@triton.jit
def _finish_group(mean_logits, cov_logits, weight, to_weights, to_biases, to_means, to_covs, common, common_vector,
                  to_weight, to_bias, share, samples, group, groups, SOURCES: tl.constexpr, COUNT: tl.constexpr,
                  BW: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr):
    """Sums over the samples of one group: gradients of γ and β, and where the batch moments are those of x (SOURCES),
    what they add to B and c. Loads bypass the first-level cache, which need not know what others have written."""
    row = tl.arange(0, ROWS)
    inside, at = row < D, group * D + row
    if weight is not None:
        tl.store(to_weight + at, _over_samples(to_weights, samples, group, groups, D, ROWS, PARTS), mask=inside)
    if to_bias is not None:
        tl.store(to_bias + at, _over_samples(to_biases, samples, group, groups, D, ROWS, PARTS), mask=inside)
    if SOURCES:
        offsets, mask, unit = square(group, D, ROWS)
        to_mean = _over_samples(to_means, samples, group, groups, D, ROWS, PARTS)
        to_cov = tl.zeros((ROWS, ROWS), tl.float32)
        for begin in range(0, samples, PARTS):
            part = begin + tl.arange(0, PARTS)
            squared, valid = squares(part * groups + group, part < samples, D, ROWS)
            to_cov += tl.sum(tl.load(to_covs + squared, mask=valid, other=0.0, cache_modifier='.cg'), 0)
        to_cov *= factor(ratios_of(cov_logits, COUNT), BW, BN, unit)
        tl.store(common + offsets, share * (to_cov + tl.trans(to_cov)), mask=mask)
        tl.store(common_vector + at, share * two(ratios_of(mean_logits, COUNT), BW, BN) * to_mean, mask=inside)


@triton.jit
def _over_samples(vectors, samples, group, groups, D: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr):
    """(ROWS,), the sum over samples of a group's part of vectors (N, G, D)."""
    row = tl.arange(0, ROWS)
    result = tl.zeros((ROWS,), tl.float32)
    for begin in range(0, samples, PARTS):
        part = begin + tl.arange(0, PARTS)
        at = ((part * groups + group) * D)[:, None] + row[None, :]
        mask = (part < samples)[:, None] & (row < D)[None, :]
        result += tl.sum(tl.load(vectors + at, mask=mask, other=0.0, cache_modifier='.cg'), 0)
    return result


@triton.jit
def input_gradient_kernel(dx, dy, x, mean_logits, cov_logits, matrices, quadratics, vectors, shift, common,
                          common_vector, batch_mean, layer, sums, step, channels, units, chunk, chunks, tiles,
                          WHOLE: tl.constexpr, COUNT: tl.constexpr, IMAGE: tl.constexpr, LN: tl.constexpr,
                          GROUPS: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                          LAST: tl.constexpr, FULL: tl.constexpr, UNIT: tl.constexpr):
    """dx = Aᵀ dy + B (x − shift) + c, with B and c added up from the image's part, the batch's and the layer's."""
    program = tl.num_programs(0) - 1 - tl.program_id(0)  # backwards, as `transform_kernel`
    length = units * UNIT
    sample, part, tile, start, stop = bounds_of(program, length, chunk, chunks, tiles)
    channel, valid = rows_of(tile, channels, D, ROWS)
    high, low = factors_of(matrices, sample * step, channel, valid, channels, D, True)
    about = vector_or_zeros(shift, sample * step, channel, valid, channels)
    constant = vector_or_zeros(vectors, sample, channel, valid, channels)
    constant += vector_or_zeros(common_vector, 0, channel, valid, channels)
    second = tl.zeros((ROWS, 1 if D == 1 else ROWS), tl.float32)
    if common is not None:
        second += load_squares(common, 0, channel, valid, channels, D)
        if IMAGE:  # the shift is the image's mean, not the batch's
            deviation = about - load_vector(batch_mean, 0, channel, valid, channels)
            constant += tl.sum(second * deviation[:, None], 1) if D == 1 else tl.sum(second * deviation[None, :], 1)
    if quadratics is not None:
        second += load_squares(quadratics, sample, channel, valid, channels, D)
    if LN >= 0:
        through_mean, through_var = _through_layer(mean_logits, cov_logits, sums, sample, channels, length, COUNT, LN,
                                                   GROUPS, D)
        unit = tl.where(valid, 1.0, 0.0)[:, None]
        if D > 1:
            unit = tl.where(channel[:, None] == channel[None, :], unit, 0.0)
        second += 2 * through_var * unit
        constant += through_mean + 2 * through_var * (about - tl.load(layer + 2 * sample))
    second_high, second_low = second, second
    if D > 1:
        second_high, second_low = split(second)
    write(dx, dy, x, high, low, second_high, second_low, about, constant, sample, channel, valid, start, stop, channels,
          length, WHOLE, D, ROWS, BLOCK, LAST, FULL)


@triton.jit
def _through_layer(mean_logits, cov_logits, sums, sample, channels, length, COUNT: tl.constexpr, LN: tl.constexpr,
                   GROUPS: tl.constexpr, D: tl.constexpr):
    """What μ_ln and σ_ln of a sample pass on to each of its values, from the sums of its groups (N, G, 2)."""
    groups = channels // D
    group = tl.arange(0, GROUPS)
    at = 2 * (sample * groups + group)
    total = tl.sum(tl.load(sums + at, mask=group < groups, other=0.0), 0)
    trace = tl.sum(tl.load(sums + at + 1, mask=group < groups, other=0.0), 0)
    count = channels * length.to(tl.float32)
    through_mean = total * one(ratios_of(mean_logits, COUNT), LN) / count
    return through_mean, trace * one(ratios_of(cov_logits, COUNT), LN) / count
