"""Trainings of these tests are short; a network for those that need none that is trained."""

import pytest
import torch


@pytest.fixture(scope='session', autouse=True)
def _short(short_trainings):
    """Trainings that a module prepares once, too."""


@pytest.fixture(scope='module')
def network(tiny_config, tmp_path_factory):
    """Config and checkpoint of a network that was not trained."""
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    path, folder = tiny_config('bn_sourceonly'), tmp_path_factory.mktemp('network')
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(path).model)
    torch.save({'state_dict': model.state_dict()}, folder / 'iter_1.pth')
    return path, folder / 'iter_1.pth'
