"""Shared by all tests: a fixed seed, and OpenMMLab's default scope, which a test with a Runner would leave behind."""

import importlib.metadata
import signal
import sys
from pathlib import Path

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


# Files that take longest, in the order in which processes are to take them: a long one that comes last keeps one
# process busy while the other has nothing left.
LONGEST = (
    'own_images/test_adapt.py',
    'whitening/triton/test_passes.py',
    'whitening/triton/test_whole.py',
    'whitening/triton/test_layer.py',
    'whitening/triton/test_compilation.py',
    'whitening/test_training_in_half.py',
    'whitening/test_synchronize.py',
    'commands/test_processes.py',
    'own_images/test_adapt_goes_on.py',
    'studies/test_demo.py',
    'configs/test_detection_configs.py',
    'whitening/test_gradients.py',
    'models/test_mmdet.py',
    'test_processes.py',
    'commands/test_training_runs.py',
    'commands/test_detection.py',
    'reporting/test_understanding.py',
    'whitening/test_export.py',
    'stylization/test_stylization.py',
    'commands/test_style.py',
    'commands/test_scene_training.py',
    'own_images/test_few_labels.py',
)


def pytest_collection_modifyitems(items):
    """Long files first; the rest stay in their order."""
    folder = Path(__file__).parent
    rank = {folder / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _signals():
    """A training that ends in an error does not give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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
