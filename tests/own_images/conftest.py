"""Trainings of these tests are short; and folders as strangers have them."""

from functools import partial

import pytest
from mmengine.registry import init_default_scope

from tests.helpers.strange_folders import write_strange


@pytest.fixture(scope='session', autouse=True)
def _short(short_trainings):
    """Trainings that a module prepares once, too."""


@pytest.fixture
def folders(tmp_path):
    """`folders(label, image)` writes them, see `write_strange`, and returns where they are."""
    init_default_scope('mmseg')
    return partial(write_strange, tmp_path)
