"""Which cases of a long table of cases are slow tests."""

import pytest


def every_second(cases, first=0, several=False):
    """The cases from `first` on, each second one, and the others as slow tests; each of `several` values, or of one."""
    return [case if place % 2 == first else slow(*(case if several else [case])) for place, case in enumerate(cases)]


def slow(*values, **options):
    """A case of the slow tests."""
    return pytest.param(*values, marks=pytest.mark.slow, **options)
