"""From gradients of the map that a layer applies to those of moments and parameters: backward of `mix_to_affine`."""

import triton
import triton.language as tl

from .mix_to_affine import WORDS, factor, offset_of, one, ratios_of, two
from .newton import inner, newton_gradient, square

__all__ = ['affine_backward_kernel', 'finish_kernel', 'finish_logits', 'gradients_of_ratios', 'input_kernel',
           'store_moment_gradients']


@triton.jit
def affine_backward_kernel(totals, products, sample_mean, sample_cov, batch_mean, batch_cov, layer, weight, shift,
                           means, covs, roots, matrices, to_weight, to_bias, to_means, to_covs, to_ratios, groups,
                           samples, ITERATIONS: tl.constexpr, BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr,
                           IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """Gradients of μ̂ and Σ̂, and one program's part of those of γ, β and the ratios, (2, WORDS).

    A program has `samples` samples: 1, or where one A serves all, N.
    """
    program = tl.program_id(0)
    group = program % groups
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    inside, at = row < D, program * D + row
    mean = tl.load(means + at, mask=inside, other=0.0)
    IMAGE: tl.constexpr = IW >= 0 or IN >= 0 or LN >= 0
    total, product = _sums_about(totals, products, sample_mean, shift, mean, program, groups, samples, IMAGE, D, ROWS)
    root = tl.load(roots + offsets, mask=mask, other=0.0)
    if to_weight is not None:
        tl.store(to_weight + at, tl.sum(root * product, 1), mask=inside)
        product *= tl.load(weight + group * D + row, mask=inside, other=0.0).to(tl.float32)[:, None]
    if to_bias is not None:
        tl.store(to_bias + at, total, mask=inside)
    store_moment_gradients(total, product, root, matrices, covs, to_means, to_covs, to_ratios, sample_mean, sample_cov,
                           batch_mean, batch_cov, layer, program, groups, ITERATIONS, BW, IW, BN, IN, LN, D, ROWS)


@triton.jit
def store_moment_gradients(total, product, root, matrices, covs, to_means, to_covs, to_ratios, sample_mean, sample_cov,
                           batch_mean, batch_cov, layer, program, groups, ITERATIONS: tl.constexpr, BW: tl.constexpr,
                           IW: tl.constexpr, BN: tl.constexpr, IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr,
                           ROWS: tl.constexpr):
    """Stores a program's gradients of μ̂, Σ̂ and the ratios, and gives the first two.

    `total` and `product` are Σ dy and Σ dy (x − μ̂)ᵀ, the latter times γ.
    """
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    matrix = tl.load(matrices + offsets, mask=mask, other=0.0)
    to_mean = -tl.sum(matrix * total[:, None], 0)
    if D == 1:  # the derivative of 1 / √σ²
        to_cov = -0.5 * product * root * root * root
    else:
        cov = tl.load(covs + offsets, mask=mask, other=0.0)
        to_cov = newton_gradient(0.5 * (product + tl.trans(product)), cov, unit, ITERATIONS)
    tl.store(to_means + program * D + row, to_mean, mask=row < D)
    tl.store(to_covs + offsets, to_cov, mask=mask)
    of_mean, of_cov = gradients_of_ratios(to_mean, to_cov, sample_mean, sample_cov, batch_mean, batch_cov, layer,
                                           program, groups, BW, IW, BN, IN, LN, D, ROWS)
    tl.store(to_ratios + 2 * program * WORDS + tl.arange(0, WORDS), of_mean)
    tl.store(to_ratios + (2 * program + 1) * WORDS + tl.arange(0, WORDS), of_cov)
    return to_mean, to_cov


@triton.jit
def _sums_about(totals, products, sample_mean, shift, mean, program, groups, samples, IMAGE: tl.constexpr,
                D: tl.constexpr, ROWS: tl.constexpr):
    """Σ dy (ROWS,) and Σ dy (x − μ̂)ᵀ (ROWS, ROWS) of a program's samples, from those about the shift."""
    row = tl.arange(0, ROWS)
    total, product = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS, ROWS), tl.float32)
    for sample in tl.range(samples, num_stages=4):  # loads ahead of their use
        offsets, mask, _ = square(program + sample * groups, D, ROWS)
        at = (program + sample * groups) * D + row
        gradient = tl.load(totals + at, mask=row < D, other=0.0)
        offset = mean + offset_of(program + sample * groups, sample_mean, shift, IMAGE, D, ROWS)
        total += gradient
        product += tl.load(products + offsets, mask=mask, other=0.0) - gradient[:, None] * offset[None, :]
    return total, product


@triton.jit
def gradients_of_ratios(to_mean, to_cov, sample_mean, sample_cov, batch_mean, batch_cov, layer, program, groups,
                         BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr, IN: tl.constexpr, LN: tl.constexpr,
                         D: tl.constexpr, ROWS: tl.constexpr):
    """(WORDS,) of the mean's and of the covariance's, as one program sees them.

    The means are seen from a common origin, that of the batch or of the sample itself: see `mixture_backward`.
    """
    group = program % groups
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    inside, at = row < D, program * D + row
    word = tl.arange(0, WORDS)
    of_mean, of_cov = tl.zeros((WORDS,), tl.float32), tl.zeros((WORDS,), tl.float32)
    if BW >= 0 or BN >= 0:
        of_group, _, _ = square(group, D, ROWS)
        origin = tl.load(batch_mean + group * D + row, mask=inside, other=0.0)
        values = to_cov * tl.load(batch_cov + of_group, mask=mask, other=0.0)
        of_cov += tl.where(word == BW, inner(values, mask), 0.0) + tl.where(word == BN, inner(values, unit), 0.0)
    else:
        origin = tl.load(sample_mean + at, mask=inside, other=0.0)
    if IW >= 0 or IN >= 0:
        deviation = tl.load(sample_mean + at, mask=inside, other=0.0) - origin
        of_mean += tl.where((word == IW) | (word == IN), tl.sum(to_mean * deviation, 0), 0.0)
        values = to_cov * tl.load(sample_cov + offsets, mask=mask, other=0.0)
        of_cov += tl.where(word == IW, inner(values, mask), 0.0) + tl.where(word == IN, inner(values, unit), 0.0)
    if LN >= 0:
        deviation = tl.load(layer + 2 * (program // groups)) - origin
        of_mean += tl.where(word == LN, tl.sum(to_mean * deviation, 0), 0.0)
        trace = inner(to_cov, unit) * tl.load(layer + 2 * (program // groups) + 1)
        of_cov += tl.where(word == LN, trace, 0.0)
    return of_mean, of_cov


@triton.jit
def finish_kernel(mean_logits, cov_logits, to_weights, to_biases, to_means, to_covs, to_ratios, to_weight, to_bias,
                  to_batch_mean, to_batch_cov, to_mean_logits, to_cov_logits, samples, groups, COUNT: tl.constexpr,
                  BW: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr, PARTS: tl.constexpr,
                  MATRICES: tl.constexpr):
    """Sums over samples, a program a channel: gradients of γ, β and the batch moments; the last program: of logits."""
    channel, channels = tl.program_id(0), groups * D
    if channel == channels:
        finish_logits(mean_logits, cov_logits, to_ratios, to_mean_logits, to_cov_logits, samples * groups, COUNT,
                       MATRICES)
    else:
        of_weight, of_bias, of_mean = 0.0, 0.0, 0.0
        column = tl.arange(0, WIDTH)
        of_cov = tl.zeros((WIDTH,), tl.float32)
        for begin in range(0, samples, PARTS):
            part = begin + tl.arange(0, PARTS)
            index = part.to(tl.int64) * channels + channel
            if to_weights is not None:
                of_weight += tl.sum(tl.load(to_weights + index, mask=part < samples, other=0.0), 0)
            if to_biases is not None:
                of_bias += tl.sum(tl.load(to_biases + index, mask=part < samples, other=0.0), 0)
            if BW >= 0 or BN >= 0:
                of_mean += tl.sum(tl.load(to_means + index, mask=part < samples, other=0.0), 0)
                mask = (part < samples)[:, None] & (column < D)[None, :]
                of_cov += tl.sum(tl.load(to_covs + index[:, None] * D + column[None, :], mask=mask, other=0.0), 0)
        if to_weights is not None:
            tl.store(to_weight + channel, of_weight)
        if to_biases is not None:
            tl.store(to_bias + channel, of_bias)
        if BW >= 0 or BN >= 0:
            tl.store(to_batch_mean + channel, two(ratios_of(mean_logits, COUNT), BW, BN) * of_mean)
            unit = tl.where(column == channel % D, 1.0, 0.0)
            of_cov *= factor(ratios_of(cov_logits, COUNT), BW, BN, unit)
            tl.store(to_batch_cov + channel * D + column, of_cov, mask=column < D)


@triton.jit
def finish_logits(mean_logits, cov_logits, to_ratios, to_mean_logits, to_cov_logits, count, COUNT: tl.constexpr,
                   MATRICES: tl.constexpr):
    word = tl.arange(0, WORDS)
    of_mean, of_cov = tl.zeros((WORDS,), tl.float32), tl.zeros((WORDS,), tl.float32)
    for begin in range(0, count, MATRICES):
        part = begin + tl.arange(0, MATRICES)
        offsets = (2 * part * WORDS)[:, None] + word[None, :]
        mask = (part < count)[:, None] & (word < WORDS)[None, :]
        of_mean += tl.sum(tl.load(to_ratios + offsets, mask=mask, other=0.0, cache_modifier='.cg'), 0)
        of_cov += tl.sum(tl.load(to_ratios + offsets + WORDS, mask=mask, other=0.0, cache_modifier='.cg'), 0)
    mean_ratios, cov_ratios = ratios_of(mean_logits, COUNT), ratios_of(cov_logits, COUNT)
    of_mean = mean_ratios * (of_mean - tl.sum(mean_ratios * of_mean, 0))
    of_cov = cov_ratios * (of_cov - tl.sum(cov_ratios * of_cov, 0))
    tl.store(to_mean_logits + word, of_mean, mask=word < COUNT)
    tl.store(to_cov_logits + word, of_cov, mask=word < COUNT)


@triton.jit
def input_kernel(mean_logits, cov_logits, to_means, to_covs, to_batch_mean, to_batch_cov, sample_mean, batch_mean,
                 layer, layer_sums, share, share_at, quadratics, vectors, length, groups, COUNT: tl.constexpr,
                 IW: tl.constexpr, IN: tl.constexpr, LN: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """B and c of one sample and group, where the shift is the sample's mean. The share may be a tensor: `share_at`."""
    program = tl.program_id(0)
    group = program % groups
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    inside, at = row < D, program * D + row
    of_mean, of_cov = ratios_of(mean_logits, COUNT), ratios_of(cov_logits, COUNT)
    mean = tl.load(sample_mean + at, mask=inside, other=0.0)
    to_mean, to_cov = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS, ROWS), tl.float32)
    if IW >= 0 or IN >= 0:
        to_mean += two(of_mean, IW, IN) * tl.load(to_means + at, mask=inside, other=0.0)
        to_cov += factor(of_cov, IW, IN, unit) * tl.load(to_covs + offsets, mask=mask, other=0.0)
    if LN >= 0:
        pair = 2 * (program // groups)
        through_mean = tl.load(layer_sums + pair) * one(of_mean, LN) / (groups * D)
        through_var = tl.load(layer_sums + pair + 1) * one(of_cov, LN) / (groups * D)
        to_mean += through_mean + 2 * through_var * (mean - tl.load(layer + pair))
        to_cov += through_var * unit
    if to_batch_mean is not None:
        if share_at is not None:
            share = tl.load(share_at).to(tl.float32)
        of_group, _, _ = square(group, D, ROWS)
        to_batch = share * tl.load(to_batch_cov + of_group, mask=mask, other=0.0)
        deviation = mean - tl.load(batch_mean + group * D + row, mask=inside, other=0.0)
        to_mean += share * tl.load(to_batch_mean + group * D + row, mask=inside, other=0.0)
        to_mean += tl.sum((to_batch + tl.trans(to_batch)) * deviation[None, :], 1)
        to_cov += to_batch
    tl.store(vectors + at, to_mean / length, mask=inside)
    tl.store(quadratics + offsets, (to_cov + tl.trans(to_cov)) / length, mask=mask)
