"""From moments to the matrix that the layer applies, in Triton (Equations 5 to 7): the forward of `algebra`.

A program holds one (D, D) matrix in a square of ROWS registers a side. `BW` … `LN` say which logit is that word's, or
−1 where Ω does not name it.
"""

import triton
import triton.language as tl

from .newton import newton_root, square

__all__ = ['WORDS', 'affine_kernel', 'factor', 'layer_kernel', 'layer_sums', 'mixed', 'offset_of', 'one', 'ratios_of',
           'scaled', 'store_affine', 'store_vector', 'two', 'vector_kernel']

WORDS = tl.constexpr(8)  # room for the logits of one mixture


@triton.jit
def layer_kernel(vectors, matrices, results, channels, D: tl.constexpr, MOMENTS: tl.constexpr):
    """Of a sample's (C,) and the diagonals of its (G, D, D): their sums, or with MOMENTS μ_ln and σ_ln."""
    first, second = layer_sums(vectors, matrices, tl.program_id(0), channels, D, MOMENTS)
    tl.store(results + 2 * tl.program_id(0), first)
    tl.store(results + 2 * tl.program_id(0) + 1, second)


@triton.jit
def layer_sums(vectors, matrices, index, channels, D: tl.constexpr, MOMENTS: tl.constexpr):
    """What `layer_kernel` stores of the sample `index`."""
    sample = index.to(tl.int64) * channels
    total = tl.zeros((1024,), tl.float32)
    for begin in range(0, channels, 1024):
        channel = begin + tl.arange(0, 1024)
        total += tl.load(vectors + sample + channel, mask=channel < channels, other=0.0)
    first = tl.sum(total, 0)
    if MOMENTS:
        first /= channels
    total = tl.zeros((1024,), tl.float32)
    for begin in range(0, channels, 1024):
        channel = begin + tl.arange(0, 1024)
        inside = channel < channels
        total += tl.load(matrices + (sample + channel) * D + channel % D, mask=inside, other=0.0)
        if MOMENTS:
            deviation = tl.load(vectors + sample + channel, mask=inside, other=0.0) - first
            total += tl.where(inside, deviation * deviation, 0.0)
    second = tl.sum(total, 0)
    if MOMENTS:
        second /= channels
    return first, second


@triton.jit
def affine_kernel(mean_logits, cov_logits, sample_mean, sample_cov, batch_mean, batch_cov, layer, weight, bias, shift,
                  means, covs, roots, matrices, vectors, eps, groups, ITERATIONS: tl.constexpr, COUNT: tl.constexpr,
                  BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr, IN: tl.constexpr, LN: tl.constexpr,
                  D: tl.constexpr, ROWS: tl.constexpr):
    """μ̂, Σ̂, its inverse square root, A and b = β + A (shift − μ̂)."""
    program = tl.program_id(0)
    group = program % groups
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    inside, at = row < D, program * D + row
    IMAGE: tl.constexpr = IW >= 0 or IN >= 0 or LN >= 0
    origin, of_batch = tl.zeros((ROWS,), tl.float32), tl.zeros((ROWS,), tl.float32)
    batch, sample = tl.zeros((ROWS, ROWS), tl.float32), tl.zeros((ROWS, ROWS), tl.float32)
    of_layer, layer_var = 0.0, 0.0
    if IMAGE:  # μ̂ is as seen from the image's mean
        origin += tl.load(sample_mean + at, mask=inside, other=0.0)
    if BW >= 0 or BN >= 0:
        of_group, _, _ = square(group, D, ROWS)
        of_batch += tl.load(batch_mean + group * D + row, mask=inside, other=0.0)
        batch += tl.load(batch_cov + of_group, mask=mask, other=0.0)
    if IW >= 0 or IN >= 0:
        sample += tl.load(sample_cov + offsets, mask=mask, other=0.0)
    if LN >= 0:
        of_layer += tl.load(layer + 2 * (program // groups))
        layer_var += tl.load(layer + 2 * (program // groups) + 1)
    mean, cov = mixed(mean_logits, cov_logits, origin, of_batch, batch, sample, of_layer, layer_var, unit, inside, eps,
                      COUNT, BW, IW, BN, IN, LN)
    matrix = store_affine(means, covs, roots, matrices, mean, cov, weight, program, group, ITERATIONS, D, ROWS)
    if vectors is not None:
        mean += offset_of(program, sample_mean, shift, IMAGE, D, ROWS)
        store_vector(vectors, program, matrix, mean, bias, group, D, ROWS)


@triton.jit
def mixed(mean_logits, cov_logits, origin, of_batch, batch, sample, of_layer, layer_var, unit, inside, eps,
          COUNT: tl.constexpr, BW: tl.constexpr, IW: tl.constexpr, BN: tl.constexpr, IN: tl.constexpr,
          LN: tl.constexpr):
    """μ̂ and Σ̂ from means `of_batch` and `of_layer` and covariances; those of the image are `origin` and `sample`.

    Where Ω has statistics of the image, μ̂ is as seen from the image's mean.
    """
    of_mean, of_cov = ratios_of(mean_logits, COUNT), ratios_of(cov_logits, COUNT)
    mean, cov = tl.zeros_like(origin), eps * unit
    if BW >= 0 or BN >= 0:
        if IW >= 0 or IN >= 0 or LN >= 0:
            mean += two(of_mean, BW, BN) * (of_batch - origin)
        else:
            mean += of_batch
        cov += factor(of_cov, BW, BN, unit) * batch
    if IW >= 0 or IN >= 0:
        cov += factor(of_cov, IW, IN, unit) * sample
    if LN >= 0:
        mean += tl.where(inside, one(of_mean, LN) * (of_layer - origin), 0.0)
        cov += one(of_cov, LN) * layer_var * unit
    return mean, cov


@triton.jit
def store_affine(means, covs, roots, matrices, mean, cov, weight, program, group, ITERATIONS: tl.constexpr,
                 D: tl.constexpr, ROWS: tl.constexpr):
    """Stores μ̂, Σ̂, its inverse square root and A of a program, and gives A."""
    offsets, mask, unit = square(program, D, ROWS)
    row = tl.arange(0, ROWS)
    root = newton_root(cov, unit, ITERATIONS)
    matrix = scaled(root, weight, group, D, ROWS)
    tl.store(means + program * D + row, mean, mask=row < D)
    tl.store(covs + offsets, cov, mask=mask)
    tl.store(roots + offsets, root, mask=mask)
    tl.store(matrices + offsets, matrix, mask=mask)
    return matrix


@triton.jit
def scaled(matrix, weight, group, D: tl.constexpr, ROWS: tl.constexpr):
    """γ times the rows of a group's matrix."""
    if weight is not None:
        row = tl.arange(0, ROWS)
        matrix *= tl.load(weight + group * D + row, mask=row < D, other=0.0).to(tl.float32)[:, None]
    return matrix


@triton.jit
def vector_kernel(matrices, means, shift, bias, vectors, groups, D: tl.constexpr, ROWS: tl.constexpr):
    """b of one sample and group where one A, of batch statistics alone, serves all samples."""
    group = tl.program_id(0) % groups
    offsets, mask, _ = square(group, D, ROWS)
    row = tl.arange(0, ROWS)
    mean = tl.load(means + group * D + row, mask=row < D, other=0.0)
    matrix = tl.load(matrices + offsets, mask=mask, other=0.0)
    mean += offset_of(tl.program_id(0), None, shift, False, D, ROWS)
    store_vector(vectors, tl.program_id(0), matrix, mean, bias, group, D, ROWS)


@triton.jit
def ratios_of(logits, COUNT: tl.constexpr):
    """The ratios (WORDS,) of COUNT logits; the others are zero."""
    word = tl.arange(0, WORDS)
    values = tl.load(logits + word, mask=word < COUNT, other=-float('inf')).to(tl.float32)
    values = tl.exp(values - tl.max(values, 0))
    return values / tl.sum(values, 0)


@triton.jit
def one(ratios, WORD: tl.constexpr):
    """The ratio of a word, 0 where Ω does not name it."""
    return tl.sum(tl.where(tl.arange(0, WORDS) == WORD, ratios, 0.0), 0)


@triton.jit
def two(ratios, FULL: tl.constexpr, DIAGONAL: tl.constexpr):
    """What multiplies the mean of a source."""
    return one(ratios, FULL) + one(ratios, DIAGONAL)


@triton.jit
def factor(ratios, FULL: tl.constexpr, DIAGONAL: tl.constexpr, unit):
    """What multiplies the covariance of a source elementwise."""
    return one(ratios, FULL) + one(ratios, DIAGONAL) * unit


@triton.jit
def offset_of(index, sample_mean, shift, IMAGE: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr):
    """What is added to the stored μ̂ for μ̂ − shift, (ROWS,) of sample and group `index`."""
    row = tl.arange(0, ROWS)
    offset = tl.zeros((ROWS,), tl.float32)
    if IMAGE:
        offset += tl.load(sample_mean + index * D + row, mask=row < D, other=0.0)
    if shift is not None:
        offset -= tl.load(shift + index * D + row, mask=row < D, other=0.0)
    return offset


@triton.jit
def store_vector(vectors, program, matrix, offset, bias, group, D: tl.constexpr, ROWS: tl.constexpr):
    row = tl.arange(0, ROWS)
    vector = -tl.sum(matrix * offset[None, :], 1)
    if bias is not None:
        vector += tl.load(bias + group * D + row, mask=row < D, other=0.0).to(tl.float32)
    tl.store(vectors + program * D + row, vector, mask=row < D)
