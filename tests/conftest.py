"""Shared by all tests: a fixed seed, and OpenMMLab's default scope, which a test with a Runner would leave behind."""

import importlib.metadata
import sys

import pytest
import torch

from sw_mmseg import files

pytest_plugins = ('tests.helpers.fixtures', 'tests.helpers.launched', 'tests.helpers.no_network')

try:
    importlib.metadata.version('mmsegmentation')  # upstream's own, which needs the plugin's operators to be imported
except importlib.metadata.PackageNotFoundError:
    pass
else:
    import sw_mmseg.plugin  # noqa: F401


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _kept(monkeypatch, tmp_path_factory):
    """What is kept for the next run is kept among the tests' own files."""
    folder = tmp_path_factory.getbasetemp() / 'kept'
    monkeypatch.setattr(files, 'cache_folder', lambda: folder)


@pytest.fixture(autouse=True)
def _scope():
    if 'mmseg' not in sys.modules:
        yield
        return
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmseg'):
        yield
