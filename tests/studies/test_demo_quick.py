"""The demo without its trainings: networks of the package, few images, one picture."""

from __future__ import annotations

import re

import pytest
import torch
from mmseg.registry import MODELS
from PIL import Image

from sw_mmseg.running import ready_weights
from sw_mmseg.running.configs import load_config
from sw_mmseg.studies.demo import quick as module
from sw_mmseg.studies.weights import publish
from sw_mmseg.studies.weights.recipes import recipes


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The package has one network, which was not trained."""
    (recipe,) = recipes(['streets_source'], tmp_path / 'data', tmp_path / 'runs')
    state = MODELS.build(load_config(recipe.config, {}).model).state_dict()
    recipe.checkpoint.parent.mkdir(parents=True)
    torch.save({'state_dict': state}, recipe.checkpoint)
    publish.write_manifest([publish.publish(recipe, tmp_path, 'a command')], tmp_path)
    models = ready_weights.ready_models(tmp_path)
    monkeypatch.setattr(module, 'ready_models', lambda: models)
    monkeypatch.setattr(ready_weights, 'ready_models', lambda folder=None: models)


def test_networks_are_scored_and_shown(published, tmp_path):
    table = module.quick(tmp_path / 'demo', 'varied', (64, 32), pictures=1, images=2)
    ((name, summary, target, source),) = table.rows
    assert name == 'streets_source' and 'source alone' in summary
    assert 0 <= target < 30 and 0 <= source < 30
    assert re.search('2 images of each domain', table.caption)
    with Image.open(tmp_path / 'demo/quick.png') as picture:
        assert picture.width > 3 * 320  # image, truth and one network


def test_nothing_to_show_is_said(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, 'ready_models', dict)
    assert run('demo', '--quick', '--work-dir', tmp_path) == 2
    assert 'without --quick the demo trains some' in capsys.readouterr().err
