"""The rule of comparison: against scipy's own tests, and against the share of false alarms in draws without a
difference."""

import math

import numpy as np
import pytest
from scipy import stats

from sw_mmseg.analysis.comparisons import (
    Difference,
    differences,
    leaders,
    paired_differences,
    pooled_deviation,
)

A, B, C = [11.3, 11.1, 11.9], [13.2, 12.4, 13.1], [12.0, 12.2]


def test_two_groups_are_students_test():
    (step,) = differences([(A, B)])
    interval = stats.ttest_ind(A, B).confidence_interval(0.95)
    assert (step.mean - step.margin, step.mean + step.margin) == pytest.approx((interval.low, interval.high))
    (step,) = paired_differences([(A, B)])
    interval = stats.ttest_rel(A, B).confidence_interval(0.95)
    assert (step.mean - step.margin, step.mean + step.margin) == pytest.approx((interval.low, interval.high))


def test_the_deviation_is_that_of_an_analysis_of_variance():
    deviation, freedom = pooled_deviation([A, B, C])
    variances = [np.var(group, ddof=1) for group in (A, B, C)]
    assert freedom == 5 and deviation**2 == pytest.approx(np.average(variances, weights=[2, 2, 1]))


def test_of_draws_without_a_difference_one_table_in_twenty_at_most_has_an_alarm():
    generator = np.random.default_rng(0)
    alarms = {'differences': 0, 'paired': 0, 'leaders': 0}
    for _ in range(2000):
        groups = generator.normal(20, 0.5, (6, 3))
        pairs = [(groups[0], group) for group in groups[1:]]
        alarms['differences'] += any(step.clear for step in differences(pairs, list(groups)))
        alarms['leaders'] += len(leaders(list(groups))) < 6
        shifted = [(pair, pair + generator.normal(0, 0.2, 3)) for pair in groups]
        alarms['paired'] += any(step.clear for step in paired_differences(shifted))
    assert all(20 < count < 130 for count in alarms.values()), alarms  # 100 of 2,000 are 5 %


def test_a_large_difference_is_seen_and_a_leader_stands_alone():
    generator = np.random.default_rng(1)
    groups = [list(generator.normal(mean, 0.5, 3)) for mean in (20, 20.2, 24)]
    assert leaders(groups) == {2}
    assert leaders([groups[0], groups[1]]) == {0, 1}


def test_one_seed_tells_nothing():
    assert leaders([[1.0], [9.0]]) == frozenset()
    (step,) = differences([([1.0], [9.0])])
    assert not step.clear and math.isinf(step.margin) and str(step) == '-8.0 (one seed)'
    with pytest.raises(ValueError, match='same networks'):
        paired_differences([([1.0], [1.0, 2.0])])


def test_in_words():
    assert str(Difference(-1.44, 0.5)) == '−1.4 (−1.9 to −0.9)'
    assert str(Difference(0.3, 0.5)) == '+0.3 (−0.2 to 0.8)'
