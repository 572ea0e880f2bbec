"""Which cases of a long table of cases are slow tests."""

import pytest


def one_in(count, cases, first=0, several=False):
    """Each `count`th case from `first` on, and the others as slow tests; each case of `several` values, or of one."""
    return [
        case if place % count == first else slow(*(case if several else [case])) for place, case in enumerate(cases)
    ]


def slow(*values, **options):
    """A case of the slow tests."""
    return pytest.param(*values, marks=pytest.mark.slow, **options)
