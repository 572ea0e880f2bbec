"""MMD against a naive loop, against its closed form for Gaussians, and on equal distributions."""

import math

import pytest
import torch

from sw_mmseg.analysis.domain_distance import (
    RELATIVE_SIGMAS,
    covariance_distance,
    median_distance,
    mmd,
    picture_kernels,
)


def naive(x, y, sigmas):
    """The sums of the definition, pair by pair in fp64; pairs of one picture left out."""

    def kernel(a, b):
        squared = float(((a - b) ** 2).sum())
        return sum(math.exp(-squared / (2 * sigma**2)) for sigma in sigmas) / len(sigmas)

    def mean(first, second, same):
        pairs = [
            kernel(a, b)
            for i, p in enumerate(first)
            for j, q in enumerate(second)
            if not (same and i == j)
            for a in p
            for b in q
        ]
        return sum(pairs) / len(pairs)

    x, y = x.double(), y.double()
    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@pytest.mark.parametrize('pictures, pixels', [((4, 5), 3), ((7, 6), 1)])
@pytest.mark.parametrize('block', [2, 5, 1024])
def test_blocks_give_what_the_naive_loop_gives(pictures, pixels, block):
    x, y = (torch.randn(p, pixels, 3) * 2 + p for p in pictures)
    assert mmd(x, y, 0, sigmas=(0.7, 2.0), block=block).value == pytest.approx(naive(x, y, (0.7, 2.0)), abs=1e-12)
    width = median_distance(torch.cat([x, y]).double())
    expected = naive(x, y, [factor * width for factor in RELATIVE_SIGMAS])
    assert mmd(x, y, 0, block=block).value == pytest.approx(expected, abs=1e-12)


def closed_form(sigma, dimension, shift, a, b):
    """MMD² of N(0, a² I) and N(shift, b² I): E k of two Gaussians with summed variance v is
    (σ²/(σ²+v))^(D/2) exp(−|Δ|² / 2(σ²+v))."""

    def expected(v, squared):
        return (sigma**2 / (sigma**2 + v)) ** (dimension / 2) * math.exp(-squared / (2 * (sigma**2 + v)))

    return expected(2 * a * a, 0) + expected(2 * b * b, 0) - 2 * expected(a * a + b * b, shift**2 * dimension)


@pytest.mark.parametrize('shift, scale', [(0.5, 1.0), (0.0, 1.5), (0.3, 0.6)])
def test_gaussians_with_a_known_distance(shift, scale):
    dimension, sigmas = 4, (1.0, 3.0)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1500, 1, dimension, generator=generator)
    y = torch.randn(1500, 1, dimension, generator=generator) * scale + shift
    distance = mmd(x, y, 20, sigmas=sigmas)
    expected = sum(closed_form(sigma, dimension, shift, 1.0, scale) for sigma in sigmas) / len(sigmas)
    assert abs(distance.value - expected) < 4 * distance.error and distance.error < 0.2 * expected
    assert distance.p_value == pytest.approx(1 / 21)


def test_equal_distributions_are_at_zero_and_p_is_uniform():
    """100 pairs of sets: the mean within its error, p below each tenth about as often as it says."""
    generator = torch.Generator().manual_seed(1)
    distances = [
        mmd(torch.randn(20, 2, 3, generator=generator), torch.randn(24, 2, 3, generator=generator), 99, seed=s)
        for s in range(100)
    ]
    values = torch.tensor([d.value for d in distances])
    assert abs(values.mean()) < 3 * values.std() / 10 and values.min() < 0 < values.max()
    p = torch.tensor([d.p_value for d in distances])
    for level in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert abs((p <= level).float().mean() - level) < 3 * math.sqrt(level * (1 - level) / 100)
    inside = [d.null_low <= d.value <= d.null_high for d in distances]
    assert sum(inside) >= 88
    errors = torch.tensor([d.error for d in distances])
    assert 0.5 < (errors.mean() / values.std()) < 1.6


def test_pixels_of_one_picture_are_no_evidence():
    """Pictures differ, domains do not, and 10 pixels of a picture are nearly one: with pixels as the unit everything
    would be significant."""
    generator = torch.Generator().manual_seed(0)

    def domain():
        return torch.randn(15, 1, 5, generator=generator) + 0.1 * torch.randn(15, 10, 5, generator=generator)

    p = [mmd(domain(), domain(), 99, seed=s).p_value for s in range(20)]
    assert min(p) > 0.005 and sum(value <= 0.1 for value in p) <= 6
    x, y = domain(), domain()
    as_pixels = mmd(x.reshape(-1, 1, 5), y.reshape(-1, 1, 5), 99)
    assert as_pixels.p_value == 0.01


def test_scale_and_constant_features():
    x, y = torch.randn(6, 2, 3), torch.randn(5, 2, 3) + 1
    assert mmd(1000 * x, 1000 * y, 0).value == pytest.approx(mmd(x, y, 0).value, rel=1e-6)
    nothing = mmd(torch.zeros(4, 2, 3), torch.zeros(5, 2, 3), 50)
    assert nothing.value == pytest.approx(0, abs=1e-12) and nothing.p_value == 1
    far = mmd(x + 1e6, y + 1e6, 0)  # fp32 keeps about four digits of what is behind the offset
    assert far.value == pytest.approx(mmd(x, y, 0).value, rel=0.2)


def test_covariance_distance_by_hand():
    # covariances diag(1, 1) and diag(4, 1): the difference's norm is 3, that of the mean diag(2.5, 1) is √7.25
    x = torch.tensor([[[1.0, 1]], [[1, -1]], [[-1, 1]], [[-1, -1]]])
    y = x * torch.tensor([2.0, 1]) + 5
    assert covariance_distance(x, y) == pytest.approx(3 / math.sqrt(7.25))
    assert covariance_distance(x, x + 1) == pytest.approx(0, abs=1e-12)
    assert covariance_distance(torch.zeros(3, 1, 2), torch.zeros(3, 1, 2)) == 0.0


def test_kernels_of_pictures_are_symmetric_means():
    features = torch.randn(3, 4, 2, dtype=torch.float64)
    kernels = picture_kernels(features, (1.0,), 4)
    expected = torch.exp(-torch.cdist(features[0], features[2]).square() / 2).mean()
    assert torch.equal(kernels, kernels.T) and kernels[0, 2] == pytest.approx(expected.item())


@pytest.mark.parametrize(
    'x, y, message',
    [
        (torch.randn(4, 2, 3), torch.randn(4, 3, 3), 'the same K'),
        (torch.randn(1, 2, 3), torch.randn(4, 2, 3), 'at least two pictures'),
        (torch.full((3, 2, 3), math.nan), torch.randn(4, 2, 3), 'not finite'),
    ],
)
def test_mistakes(x, y, message):
    with pytest.raises(ValueError, match=message):
        mmd(x, y)
