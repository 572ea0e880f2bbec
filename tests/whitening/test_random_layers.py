"""Random layers on random inputs against the oracle: `helpers.random_checks` says what must hold.

The suite of robustness runs ten thousand more.
"""

import pytest

from tests.helpers.slow_cases import one_in

from .helpers.random_cases import draw
from .helpers.random_checks import check


@pytest.mark.parametrize('start', one_in(3, range(0, 300, 50)))
def test_fifty(start):
    for seed in range(start, start + 50):
        check(draw(seed))


def test_cases_are_of_every_kind():
    """No case is drawn twice, and what makes a case hard is among them."""
    cases = [draw(seed) for seed in range(300)]
    words = [case.words for case in cases]
    assert len(set(words)) == 300
    faults = ('constant', 'constant by image', 'all constant', 'doubled', 'one', 'zero', 'mean 1000')
    for needed in ('float16', 'bfloat16', 'float64', 'eigh', 'newton', *faults):
        assert any(needed in text for text in words), needed
    assert {case.x.dim() for case in cases} == {2, 3, 4, 5}
    assert sum(case.planted is not None for case in cases) > 10
    assert any(case.x.numel() == 0 for case in cases) and any(not case.x.is_contiguous() for case in cases)
    assert {1, 16} < {case.layer.group_size for case in cases} and max(case.layer.group_size for case in cases) > 40
