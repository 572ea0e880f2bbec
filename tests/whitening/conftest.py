"""Shared by the tests of whitening."""

import pytest

from sw_mmseg.whitening import using_backend


@pytest.fixture(params=['auto', 'torch'])
def kernels(request):
    """What computes: the fastest that fits, or torch's operations."""
    with using_backend(request.param):
        yield
