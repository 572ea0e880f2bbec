"""The demo without its trainings: networks of the package, few images, one picture."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from PIL import Image

from sw_mmseg.analysis import Table
from sw_mmseg.datasets.camvid_labels import camvid_to_cityscapes
from sw_mmseg.running import ready_weights
from sw_mmseg.running.configs import load_config
from sw_mmseg.studies.demo import quick as module
from sw_mmseg.studies.demo import ready
from sw_mmseg.studies.weights import publish
from sw_mmseg.studies.weights.recipes import recipes


@pytest.fixture(params=['photographs streets_source'])
def published(request, tmp_path, monkeypatch):
    """The package has one network for photographs and one of streets, or those asked for, which were not trained."""
    for recipe in recipes(request.param.split(), tmp_path / 'data', tmp_path / 'runs'):
        state = MODELS.build(load_config(recipe.config, {}).model).state_dict()
        recipe.checkpoint.parent.mkdir(parents=True)
        torch.save({'state_dict': state}, recipe.checkpoint)
        publish.write_manifest([publish.publish(recipe, tmp_path, 'a command')], tmp_path)
    models = ready_weights.ready_models(tmp_path)
    monkeypatch.setattr(module, 'ready_models', lambda: models)
    monkeypatch.setattr(ready_weights, 'ready_models', lambda folder=None: models)


@pytest.mark.slow
def test_networks_are_scored_and_shown(published, tmp_path):
    table = module.quick(tmp_path / 'demo', 'varied', (64, 32), pictures=1, images=2)
    ((name, summary, target, source),) = table.rows
    assert name == 'streets_source' and 'source alone' in summary
    assert 0 <= target < 30 and 0 <= source < 30
    assert re.search('2 images of each domain', table.caption)
    with Image.open(tmp_path / 'demo/quick.png') as picture:
        assert picture.width > 3 * 320  # image, truth and one network


@pytest.mark.slow
def test_photographs_are_shown_as_every_network_sees_them(published, tmp_path, capsys, run, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / 'mine').mkdir()
    for name, size in (('a.jpg', (90, 120)), ('b.png', (1200, 900))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / 'mine' / name)
    monkeypatch.setattr('sw_mmseg.commands.demo.quick', lambda *_: Table(('model',), (('one',),)))
    assert run('demo', '--quick', '--photos', tmp_path / 'mine', '--work-dir', tmp_path / 'demo') == 0
    assert f'quick.png and {tmp_path}/demo/photographs.png' in capsys.readouterr().out
    with Image.open(tmp_path / 'demo/photographs.png') as picture:
        assert picture.width > 3 * 320 and picture.height > 2 * 240  # two rows: photograph and two networks


@pytest.mark.parametrize('published', ['photographs'], indirect=True)
def test_a_network_of_fewer_classes_shows_those_of_cityscapes_that_they_are(published):
    image = np.random.default_rng(0).integers(0, 256, (1200, 900, 3), dtype=np.uint8)
    (labels,) = ready.predictions('photographs', [image])
    assert labels.shape == image.shape[:2]
    assert set(np.unique(labels)) <= set(camvid_to_cityscapes().tolist())


def test_large_photographs_are_made_small(tmp_path):
    Image.fromarray(np.full((1200, 900, 3), (9, 90, 200), np.uint8)).save(tmp_path / 'a.png')
    pixels = ready.photograph_pixels(tmp_path / 'a.png')
    assert pixels.shape == (640, 480, 3) and pixels[0, 0].tolist() == [200, 90, 9]  # BGR


def test_nothing_to_show_is_said(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, 'ready_models', dict)
    assert run('demo', '--quick', '--work-dir', tmp_path) == 2
    assert 'without --quick the demo trains some' in capsys.readouterr().err
