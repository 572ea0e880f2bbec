"""The one rule by which this project says that two means over seeds differ.

Of everything that is compared in a table, the deviation over seeds is pooled: s² = Σ (nᵢ − 1) sᵢ² / Σ (nᵢ − 1), with
ν = Σ (nᵢ − 1) degrees of freedom. The interval of a difference of two means is

    d ± t(1 − 0.05 / 2m, ν) · s · √(1/n₁ + 1/n₂)

with Student's t and Bonferroni's correction for the m comparisons of the table, so that in 95 of 100 tables no interval
misses its true difference. Where the same networks are scored twice, with other statistics say, differences are taken
seed by seed, and s is the pooled deviation of those. Two means differ where the interval leaves out zero; else nothing
is said of them but the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ['LEVEL', 'Difference', 'differences', 'leaders', 'paired_differences', 'pooled_deviation']

LEVEL = 0.05  # of all comparisons of a table together
Values = Sequence[float]  # one a seed


@dataclass(frozen=True)
class Difference:
    """A difference of two means, and half the width of its interval: infinite where no row has two seeds."""

    mean: float
    margin: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return abs(self.mean) > self.margin

    def __str__(self) -> str:
        """'+1.4 (0.6 to 2.2)', in the units of the values."""
        if not math.isfinite(self.margin):
            return f'{self.mean:+.1f} (one seed)'
        low, high = self.mean - self.margin, self.mean + self.margin
        return f'{self.mean:+.1f} ({low:.1f} to {high:.1f})'.replace('-', '−')


def pooled_deviation(groups: Sequence[Values]) -> tuple[float, int]:
    """The deviation within groups of seeds, and its degrees of freedom; (NaN, 0) where no group has two."""
    freedom = sum(len(group) - 1 for group in groups if len(group))
    if not freedom:
        return math.nan, 0
    squares = sum(float(np.sum((np.asarray(group) - np.mean(group)) ** 2)) for group in groups if len(group))
    return math.sqrt(squares / freedom), freedom


def differences(
    pairs: Sequence[tuple[Values, Values]], groups: Sequence[Values] | None = None, comparisons: int | None = None
) -> list[Difference]:
    """Mean of the first minus mean of the second of every pair, of networks trained apart.

    Args:
        pairs: two groups of values a pair, each with at least one.
        groups: those over which the deviation is pooled; those of the pairs, each once, if None.
        comparisons: m, for which the intervals are corrected; the number of pairs if None.
    """
    if groups is None:
        groups = list({id(group): group for pair in pairs for group in pair}.values())
    deviation, freedom = pooled_deviation(groups)
    factor = _quantile(freedom, comparisons or len(pairs)) * deviation if freedom else math.inf
    return [
        Difference(float(np.mean(first) - np.mean(second)), factor * math.sqrt(1 / len(first) + 1 / len(second)))
        for first, second in pairs
    ]


def paired_differences(pairs: Sequence[tuple[Values, Values]], comparisons: int | None = None) -> list[Difference]:
    """The same where the i-th values of a pair are of the same network, scored in two ways.

    Raises:
        ValueError: groups of a pair have not the same number of values.
    """
    if any(len(first) != len(second) for first, second in pairs):
        raise ValueError('paired values are of the same networks, so both groups have as many')
    steps = [np.subtract(first, second) for first, second in pairs]
    deviation, freedom = pooled_deviation([list(step) for step in steps])
    factor = _quantile(freedom, comparisons or len(pairs)) * deviation if freedom else math.inf
    return [Difference(float(np.mean(step)), factor / math.sqrt(len(step))) for step in steps]


def leaders(groups: Sequence[Values]) -> frozenset[int]:
    """The index of the highest mean and of all that do not differ from it; none where no group has two seeds."""
    if not pooled_deviation(groups)[1]:
        return frozenset()
    best = max(range(len(groups)), key=lambda index: float(np.mean(groups[index])))
    every = len(groups) * (len(groups) - 1) // 2  # which one is best was not known before
    steps = differences([(groups[best], group) for group in groups], groups, every)
    return frozenset(index for index, step in enumerate(steps) if index == best or not step.clear)


def _quantile(freedom: int, comparisons: int) -> float:
    return float(stats.t.ppf(1 - LEVEL / 2 / max(comparisons, 1), freedom))
