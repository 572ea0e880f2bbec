"""The network for photographs that comes with the package: what it learnt from, what it sees, what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from sw_mmseg.commands import image_demo, predict
from sw_mmseg.commands.model_converters import publish_weights
from sw_mmseg.datasets.camvid_labels import CAMVID_CLASSES, camvid_to_cityscapes, cityscapes_to_camvid
from sw_mmseg.datasets.labels import CLASSES, raw_to_train
from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.paths import CONFIGS, DOCS
from sw_mmseg.running.prediction import build_pipeline
from sw_mmseg.running.ready_weights import find_model, load_ready, ready_models
from sw_mmseg.studies.photographs.cells import configured
from sw_mmseg.studies.weights import publish
from sw_mmseg.studies.weights.recipes import BROAD, PHOTOGRAPH_CELL, recipes


@pytest.fixture(scope='module')
def drawn(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A broad street that no training saw, and CamVid's classes of its pixels, 255 where there is none."""
    folder = generate_streets(tmp_path_factory.mktemp('streets'), 'broad', (240, 180), 1, 0, 0, seed=7)
    raw = np.array(Image.open(folder / 'gta5/labels/00001.png'))
    table = np.full(256, 255, np.uint8)
    for train, camvid in cityscapes_to_camvid().items():
        table[train] = camvid
    return folder / 'gta5/images/00001.png', table[raw_to_train()[raw]]


def test_a_drawn_street_goes_in_and_its_label_map_comes_out(drawn, tmp_path):
    image, truth = drawn
    words = ['--model', 'photographs', '--device', 'cpu', str(image), str(tmp_path)]
    assert predict.main(predict.parse_arguments(words)) == 0
    labels = np.array(Image.open(tmp_path / '00001.png'))
    assert labels.shape == truth.shape and labels.max() < len(CAMVID_CLASSES)
    known = truth != 255
    assert (labels[known] == truth[known]).mean() > 0.7  # a network that knows nothing: the largest class's share, 0.4


def test_a_picture_with_a_legend_is_painted_by_name(drawn, tmp_path):
    words = ['--model', 'photographs', '--device', 'cpu', str(drawn[0]), str(tmp_path)]
    assert image_demo.main(image_demo.parse_arguments(words)) == 0
    with Image.open(tmp_path / '00001_demo.jpg') as picture:
        assert picture.height == 180 and picture.width > 240


def test_images_are_looked_at_as_large_as_in_training():
    _, config = load_ready('photographs')
    pipeline = build_pipeline(config.test_dataloader.dataset.pipeline, from_file=False)
    for shape, seen in (((360, 480), (3, 192, 256)), ((1080, 1920), (3, 192, 341)), ((640, 480), (3, 256, 192))):
        sample = {'img': np.zeros((*shape, 3), np.uint8), 'img_shape': shape, 'ori_shape': shape}
        assert tuple(pipeline(sample)['inputs'].shape) == seen


def test_its_training_reads_drawn_streets_and_no_photograph(tmp_path):
    (recipe,) = recipes(['photographs'], tmp_path, tmp_path)
    (run,) = recipe.runs
    config = load_config(run.config, {})
    config.merge_from_dict(run.options)
    assert config.model.type == 'MultiLevelSegmentor'  # no method that meets a target
    assert config.train_dataloader.dataset.dataset.type == 'GTA5AsCamVid'
    assert config.train_dataloader.dataset.dataset.data_root == f'{BROAD}/broad/gta5'
    assert (config.val_dataloader, config.val_cfg, config.val_evaluator) == (None, None, None)
    assert 'data/camvid' not in str(config.train_dataloader)
    (elsewhere,) = recipes(['photographs'], tmp_path, tmp_path, tmp_path / 'broad')
    config.merge_from_dict(elsewhere.runs[0].options)
    assert config.train_dataloader.dataset.dataset.data_root == str(tmp_path / 'broad/gta5')


def test_its_training_is_that_of_the_study(tmp_path):
    (recipe,) = recipes(['photographs'], tmp_path, tmp_path)
    config, run = configured(PHOTOGRAPH_CELL, tmp_path)
    assert recipe.checkpoint == run.folder / f'iter_{config.train_cfg.max_iters}.pth'
    ours = load_config(recipe.runs[0].config, {})
    for key in ('model', 'optim_wrapper', 'param_scheduler'):
        assert ours[key] == config[key], key
    assert ours.train_dataloader.dataset == config.train_dataloader.dataset
    assert ours.train_dataloader.batch_size == config.train_dataloader.batch_size


def test_its_score_is_that_of_the_record():
    """The record is of the weights before they were packed."""
    records = map(json.loads, (DOCS / 'results/camvid.jsonl').read_text().splitlines())
    (record,) = (record for record in records if record['file'] == PHOTOGRAPH_CELL.name)
    recorded = np.mean(record['scores']['test']['trained'])
    model = find_model('photographs')
    assert model.scores == {'CamVid test mIoU': pytest.approx(recorded, abs=0.2)}
    assert f'{recorded:.1f}' in (DOCS / 'model_cards.md').read_text()


def test_the_cards_are_those_of_the_manifest():
    models = list(ready_models().values())
    assert models[0].name == 'photographs'  # the first that a person with photographs sees
    assert publish.cards(models).strip() in (DOCS / 'model_cards.md').read_text()


def test_the_metafile_names_its_config():
    rows = yaml.safe_load((CONFIGS / 'metafile.yml').read_text())['Models']
    (row,) = (row for row in rows if row.get('Weights', '').endswith('/photographs.pth.xz'))
    assert row['Config'] == f'configs/{find_model("photographs").config}.py'


def test_its_classes_are_shown_in_the_colours_of_cityscapes():
    shown = [CLASSES[index] for index in camvid_to_cityscapes()]
    names = 'sky, building, pole, road, sidewalk, vegetation, traffic sign, fence, car, person, rider'
    assert ', '.join(shown) == names


@pytest.mark.slow
def test_it_is_made_anew_without_a_photograph(tmp_path, monkeypatch):
    """From drawing to manifest: few images, two iterations, no CamVid on the machine, so no score."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(publish_weights.BROAD_OPTIONS, 'source', 6)
    monkeypatch.setattr('sw_mmseg.studies.weights.recipes.PHOTOGRAPH_CELL', replace(PHOTOGRAPH_CELL, iterations=2))
    words = ['--models', 'photographs', '--work-dir', str(tmp_path / 'work'), '--out', str(tmp_path / 'out')]
    (tmp_path / 'out').mkdir()
    assert publish_weights.main(publish_weights.parse_arguments(words)) == 0
    (model,) = ready_models(tmp_path / 'out').values()
    assert model.scores == {} and model.short_side == 192 and model.command.endswith('--models photographs')
    assert load_ready('photographs', folder=tmp_path / 'out')[0] is not None
