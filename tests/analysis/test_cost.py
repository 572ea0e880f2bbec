"""Exponents of known powers, predictions of Table 1, and multiply-adds in mmengine's counter against counted ones."""

import math

import pytest
import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from sw_mmseg.analysis.cost import AXES, fit_exponent, growth_table, plot_growth, predicted_exponent
from sw_mmseg.analysis.counters import count_whitening
from sw_mmseg.whitening import SwitchWhiten2d


def test_exponents_of_powers():
    sizes = [1, 2, 4, 8, 16]
    fit = fit_exponent(sizes, [3 * size**1.5 for size in sizes])
    assert fit.exponent == pytest.approx(1.5) and fit.low == pytest.approx(1.5) and fit.high == pytest.approx(1.5)
    two = fit_exponent([1, 2], [1, 4])
    assert two.exponent == pytest.approx(2) and math.isnan(two.low) and str(two) == '2.00'


def test_interval_by_hand():
    # log2 of values 0, 1, 4 over 0, 1, 2: slope 2, residuals 1/3, −2/3, 1/3; s² = 2/3, spread 2, s/√2 = 0.5774
    fit = fit_exponent([1, 2, 4], [1, 2, 16])
    assert fit.exponent == pytest.approx(2) and fit.high - 2 == pytest.approx(12.706 * math.sqrt(1 / 3), rel=1e-6)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    sizes, hits = [2.0**k for k in range(5)], 0
    for _ in range(300):
        noise = (0.1 * torch.randn(5, generator=generator)).exp().tolist()
        fit = fit_exponent(sizes, [size * error for size, error in zip(sizes, noise)])
        hits += fit.low <= 1 <= fit.high
    assert 0.91 < hits / 300 < 0.99


def test_table_1():
    for words in (('bn',), ('in',), ('ln',), ('bn', 'in', 'ln')):
        assert [predicted_exponent(words, axis) for axis in AXES] == [1, 1, 1, 0, 1]
    for words in (('bw',), ('iw',), ('bw', 'iw'), ('bw', 'iw', 'bn', 'in', 'ln')):
        assert [predicted_exponent(words, axis) for axis in AXES] == [1, 1, 1, 1, 2]
    with pytest.raises(ValueError, match='unknown axis'):
        predicted_exponent(('bw',), 'H')


def test_table_and_plot():
    measured = {'BN': {'N': ([1, 2], [1.0, 2.0])}, 'SWa': {'N': ([1, 2], [1.0, 2.0]), 'D': ([4, 8, 16], [1.0, 2, 4])}}
    table = growth_table(measured, {'BN': ('bn',), 'SWa': ('bw', 'iw')})
    assert table.headings == ('norm', 'N', 'D') and table.rows[0] == ('BN', '1: 1.00', None)
    assert table.rows[1] == ('SWa', '1: 1.00', '1: 1.00 [1.00, 1.00]')
    figure = plot_growth({'SWa': ([4, 8, 16], [1.0, 2, 8])}, 'D', 'ms')
    assert [list(line.get_ydata()) for line in figure.axes[0].get_lines()] == [[1, 2, 8], [1, 2, 4]]
    with pytest.raises(ValueError, match='at least two positive points'):
        fit_exponent([1, 2], [0.0, 1.0])


@pytest.mark.parametrize(
    'options, covariances, matrices, products',
    [
        # T = 5: one product of Σ_N and P₁, then M, Z and Y four times, but for the last Y, which nothing needs: 12
        (dict(), 1, 2, 12),
        (dict(iterations=3), 1, 2, 6),
        (dict(statistics=('bw',)), 0, 1, 12),
    ],
)
def test_mmengine_counts_what_is_multiplied(options, covariances, matrices, products):
    assert 'mmengine' in count_whitening() and count_whitening() == count_whitening()
    n, c, d, pixels = 2, 32, 16, 4 * 5
    model = nn.Sequential(SwitchWhiten2d(c, **options)).eval()
    analysis = FlopAnalyzer(model, (torch.randn(n, c, 4, 5),)).unsupported_ops_warnings(False)
    groups, vectors = c // d, matrices * c * d  # A μ̂, a matrix and a vector a group
    expected = n * c * pixels * d * (1 + covariances) + matrices * groups * products * d**3 + vectors
    assert analysis.total() == expected


def test_fvcore_counts_the_same():
    fvcore = pytest.importorskip('fvcore.nn')
    assert set(count_whitening()) == {'mmengine', 'fvcore'}
    model, x = nn.Sequential(SwitchWhiten2d(32)).eval(), torch.randn(2, 32, 4, 5)
    counts = [
        kind(model, (x,)).unsupported_ops_warnings(False).total() for kind in (FlopAnalyzer, fvcore.FlopCountAnalysis)
    ]
    assert counts[0] == counts[1]
