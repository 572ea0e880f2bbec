"""Damaged files of every kind that is read: a line that says what is wrong, and neither traceback, crash, hang nor a
gigabyte of memory."""

import pytest

from tests.robustness.mutations import Watched, mutation
from tests.robustness.readers import READERS

# tracebacks, and gigabytes: a record of files, COCO's JSON, an old checkpoint, pictures with a head that lies,
# a TIFF of pages without end
FOUND = (173, 282, 398, 520, 2993, 6641, 7801, 12397, 16283, 22751)


def faults(numbers, folder):
    watched = Watched(folder)
    try:
        texts = {number: watched.read(number) for number in numbers}
    finally:
        watched.end()
    return [f'{number} {mutation(number)[0]}: {text}' for number, text in texts.items() if text]


def test_some(tmp_path):
    """Three of each reader, and what was once read wrong."""
    assert faults([*range(3 * len(READERS)), *FOUND], tmp_path) == []


@pytest.mark.robustness
def test_many(tmp_path):
    assert faults(range(1000, 31_000), tmp_path) == []
