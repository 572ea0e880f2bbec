"""Ten thousand random layers on random inputs against the oracle."""

import pytest

from tests.whitening.helpers.random_cases import draw
from tests.whitening.helpers.random_checks import check

pytestmark = pytest.mark.robustness


@pytest.mark.parametrize('start', range(1000, 11000, 500))
def test_five_hundred(start):
    for seed in range(start, start + 500):
        check(draw(seed))
