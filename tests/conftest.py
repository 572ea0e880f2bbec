"""Shared by all tests: one thread a process keeps two cores honest, and a fixed seed keeps values reproducible."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
