"""Damaged files of every kind that is read: a line that says what is wrong, and neither traceback, crash, hang nor a
gigabyte of memory."""

import pytest

from tests.robustness.mutations import Watched, mutation
from tests.robustness.readers import READERS


def faults(numbers, folder):
    watched = Watched(folder)
    try:
        texts = {number: watched.read(number) for number in numbers}
    finally:
        watched.end()
    return [f'{number} {mutation(number)[0]}: {text}' for number, text in texts.items() if text]


def test_some(tmp_path):
    """Three of each reader."""
    assert faults(range(3 * len(READERS)), tmp_path) == []


@pytest.mark.robustness
def test_many(tmp_path):
    assert faults(range(1000, 2200), tmp_path) == []
