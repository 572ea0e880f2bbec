"""Which cases of a long table of cases are slow tests."""

import pytest


def every_second(cases, first=0):
    """The cases from `first` on, each second one, and the others as slow tests."""
    return [case if place % 2 == first else slow(case) for place, case in enumerate(cases)]


def slow(*values, **options):
    """A case of the slow tests."""
    return pytest.param(*values, marks=pytest.mark.slow, **options)
