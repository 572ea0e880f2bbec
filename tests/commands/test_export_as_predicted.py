"""export: what is exported is what predict does with the config's own model, preprocessor and test pipeline."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from sw_mmseg.adaptation import running_layers
from sw_mmseg.commands import export
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.exporting import beside_prediction, deployed, example_images

READ = "dict(type='LoadImage'), "
PACK = "dict(type='LoadLabels'), dict(type='PackSegInputs')"
NARROW = {'model.segmentor.backbone.width': 0.0625, 'model.segmentor.decode_head.in_channels': 64}
PREPROCESSOR = 'model.data_preprocessor'


def awake(segmentor, scale=1.0):
    """Running statistics of noise, and classes that differ, so that every change of the input shows in the logits."""
    for layer in running_layers(segmentor).values():
        layer.momentum = None
    segmentor.train()
    with torch.no_grad():
        segmentor(scale * torch.randn(2, 3, 96, 128), mode='tensor')
        for parameter in segmentor.decode_head.parameters():
            parameter.normal_(std=0.2)
    segmentor.eval()


@pytest.fixture
def write(tiny_config, tmp_path):
    """`write(STEPS)` -> config with such a test pipeline, and a checkpoint."""
    torch.manual_seed(3)
    base = tiny_config('bn_adaptsegnet')
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(base).model)
    awake(model.segmentor)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'network.pth')

    def call(*steps):
        file = tmp_path / 'network.py'
        pipeline = f'test_dataloader = dict(dataset=dict(pipeline=[{"".join(steps)}]))'
        file.write_text(f"_base_ = '{base}'\n{pipeline}\n")
        return file, tmp_path / 'network.pth'

    return call


@pytest.mark.parametrize(
    'name, options',
    [
        ('bn_adaptsegnet_streets', {}),
        ('bn_adaptsegnet_streets', {f'{PREPROCESSOR}.bgr_to_rgb': False, f'{PREPROCESSOR}.rgb_to_bgr': True}),
        ('bn_adaptsegnet_streets', {'model.statistics_from': 'separate', 'model.evaluate_with': 'source'}),
        ('bn_dacs_streets', {'model.evaluate_model': 'teacher'}),
    ],
)
def test_it_is_the_network_that_predicts(name, options):
    """Nothing scales, so that logits are the same."""
    config = load_config(f'configs/{name}.py', {**NARROW, **options})
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline[:] = [step for step in pipeline if step['type'] != 'Resize']
    torch.manual_seed(1)
    model = MODELS.build(config.model)
    awake(model.segmentor)
    if 'model.evaluate_with' in options:
        with model.statistics.set_of(model.segmentor, 'source'):
            awake(model.segmentor, 3.0)
    if 'model.evaluate_model' in options:
        awake(model.teacher.network, 3.0)
    model.eval()
    module = deployed(config, model)
    difference, share = beside_prediction(config, model, module, example_images([]))
    assert difference < 1e-3 and share < 1e-3
    module.mean += 20  # of 255: what the comparison sees
    difference, share = beside_prediction(config, model, module, example_images([]))
    assert difference > 0.02 and share > 0


@pytest.mark.parametrize('wrong', [0.0, float('nan')])
def test_what_export_does_not_know_is_seen_beside_predict(write, run, tmp_path, capsys, monkeypatch, wrong):
    """As a part of a model might be that nobody thought of: here its mean is left out."""
    network = write(READ, PACK)
    assert run('export', *network, tmp_path / 'a.pt') == 0
    assert 'predict gives other labels in at most 0.000 % of the pixels of an image\n' in capsys.readouterr().out

    def without_mean(config, model):
        module = deployed(config, model)
        module.mean.fill_(wrong)
        return module

    monkeypatch.setattr(export, 'deployed', without_mean)
    assert run('export', *network, tmp_path / 'b.pt') == 2
    assert 'does not give what predict gives: logits differ by' in capsys.readouterr().err
    assert not (tmp_path / 'b.pt').exists()


def test_rounding_of_scaled_greys_is_said(write, run, tmp_path, capsys):
    network = write(READ, "dict(type='Resize', scale=(640, 40), keep_ratio=True), ", PACK)
    assert run('export', *network, tmp_path / 'a.pt') == 0
    assert '% of the pixels of an image: OpenCV rounds where it scales' in capsys.readouterr().out


@pytest.mark.parametrize(
    'steps, options, text',
    [
        ((READ, PACK), (f'{PREPROCESSOR}.test_cfg.size_divisor=64',), "tested images (test_cfg {'size_divisor': 64})"),
        ((READ, "dict(type='Pad', size_divisor=64), ", PACK), (), 'LoadImage, Pad, PackSegInputs; export knows'),
        ((READ, "dict(type='Resize', scale=(64, 32)), " * 2, PACK), (), 'leave out a Resize'),
        ((READ, "dict(type='Resize', scale=(64, 32), interpolation='nearest'), ", PACK), (), 'knows bilinear Resize'),
    ],
)
def test_what_no_exported_graph_does_is_refused(write, run, tmp_path, capsys, steps, options, text):
    words = ['--cfg-options', *options] if options else []
    assert run('export', *write(*steps), tmp_path / 'a.pt', *words) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / 'a.pt').exists()


def test_what_the_reader_makes_of_files_is_said_beside_the_file(write, run, tmp_path):
    network = write(READ.replace("'LoadImage'", "'LoadImage', bands=(3, 2, 1), white=4000"), PACK)
    assert run('export', *network, tmp_path / 'a.pt') == 0
    text = json.loads((tmp_path / 'a.json').read_text())['input']
    assert text.endswith('; of files, bands 3, 2, 1 (from 0) are red, green and blue, 4000 becomes 255')
