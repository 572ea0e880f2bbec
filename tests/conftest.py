"""Shared by all tests: a fixed seed, OpenMMLab's default scope, which a test with a Runner would leave behind, and two
things that take most of a short training's time and prove nothing: yapf's layout of every config that is written, and
a garbage collection, over all that a session has left, for every data set that is opened.
"""

import functools
import gc
import importlib.metadata
import importlib.util
import sys
import types

import pytest
import torch

try:
    importlib.metadata.version('mmsegmentation')  # upstream's own, which needs the plugin's operators to be imported
except importlib.metadata.PackageNotFoundError:
    pass
else:
    import sw_mmseg.plugin  # noqa: F401


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope='session', autouse=True)
def _configs_as_they_come():
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec('yapf'):
            patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
        yield


@functools.cache
def _no_collections():
    from mmengine.dataset import base_dataset

    base_dataset.gc = types.SimpleNamespace(collect=lambda: 0)
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _scope():
    if 'mmseg' not in sys.modules:
        yield
        return
    _no_collections()
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmseg'):
        yield
