"""Trainings of these tests are short."""

import pytest


@pytest.fixture(scope='session', autouse=True)
def _short(short_trainings):
    """Trainings that a module prepares once, too."""
