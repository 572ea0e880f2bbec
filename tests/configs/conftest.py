"""Trainings of these tests are short."""

import pytest


@pytest.fixture(autouse=True)
def _short(short_trainings):
    """Until each test ends."""
