"""Weights that come with the package: what is packed, what is refused, and that commands take them by name."""

from __future__ import annotations

import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmseg.registry import MODELS
from PIL import Image

from sw_mmseg.commands import predict, stylize
from sw_mmseg.running import ready_weights
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import CONFIGS
from sw_mmseg.running.prediction import build_pipeline, segment_pixels
from sw_mmseg.running.ready_weights import ready_models
from sw_mmseg.studies.weights import publish
from sw_mmseg.studies.weights.packing import halved, network_of, packed
from sw_mmseg.studies.weights.recipes import NAMES, Recipe, recipes


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A network's weights, as an adaptation model would hold them, and the folder that it was packed into."""
    folder = tmp_path_factory.mktemp('weights')
    config = load_config('configs/bn_jitter_streets2cameras.py', {}, norm='sw')
    torch.manual_seed(0)
    state = MODELS.build(config.model).state_dict()
    (recipe,) = recipes(['streets_sw'], folder / 'data', folder / 'runs')
    recipe.checkpoint.parent.mkdir(parents=True)
    inside = {f'segmentor.{key}': value for key, value in state.items()}
    torch.save({'state_dict': {**inside, 'teacher.weight': torch.ones(3)}}, recipe.checkpoint)
    publish.write_manifest([publish.publish(recipe, folder, 'a command')], folder)
    return state, folder


@pytest.fixture
def own_folder(trained, monkeypatch):
    """The commands' models are those of the test."""
    monkeypatch.setattr(ready_weights, 'ready_models', lambda folder=trained[1]: ready_models(trained[1]))
    return trained[1]


def test_published_weights_are_the_trained_ones_to_their_rounding(trained):
    state, folder = trained
    network, _ = ready_weights.load_ready('streets_sw', folder=folder)
    loaded = network.state_dict()
    assert loaded.keys() == state.keys()
    for key, value in loaded.items():
        assert value.dtype == state[key].dtype, key
        before, after = state[key].double().numpy(), value.double().numpy()
        if 'running_' in key or not state[key].is_floating_point():
            assert np.array_equal(before, after), key
            continue
        rows = before.reshape(len(before), -1) if before.ndim else before.reshape(1, 1)
        steps = 8 if before.ndim > 1 else 1  # of fp16 at the largest value
        step = steps * np.spacing(np.abs(rows).max(1).astype(np.float16)).astype(np.float64)
        assert (np.abs(rows - after.reshape(rows.shape)) <= 1.001 * step[:, None] / 2 + 1e-8).all(), key


def test_weights_that_are_published_are_packed_anew_without_a_training(tmp_path):
    """As packing the training itself does; scores of the older file are not taken along."""
    torch.manual_seed(0)
    state = {'a.weight': torch.randn(8, 4, 3, 3), 'a.bias': torch.randn(8), 'b.running_mean': torch.randn(8)}
    (recipe,) = recipes(['streets_sw'], tmp_path / 'data', tmp_path / 'runs')
    recipe.checkpoint.parent.mkdir(parents=True)
    torch.save({'state_dict': state}, recipe.checkpoint)
    expected = publish.publish(recipe, tmp_path, 'a command')
    content = expected.file.read_bytes()
    small, digest, length = packed(state)  # in single precision
    fine = replace(expected, sha256=digest, bytes=length, scores={'target mIoU': 1.0})
    fine.file.write_bytes(small)
    again = publish.repack(fine, tmp_path)
    assert again == expected and again.file.read_bytes() == content != small


def test_weights_that_are_too_large_together_are_refused(trained, monkeypatch):
    size = ready_weights.find_model('streets_sw', trained[1]).file.stat().st_size
    monkeypatch.setattr(publish, 'LIMIT', size)
    publish.check_size(trained[1])
    monkeypatch.setattr(publish, 'LIMIT', size - 1)
    with pytest.raises(UserError, match=f'take {size:,} bytes together, more than {size - 1:,}'):
        publish.check_size(trained[1])


def test_what_predicts_is_published_and_nothing_else(trained):
    assert network_of({'module.segmentor.a': torch.ones(1), 'discriminator.b': torch.ones(1)}).keys() == {'a'}
    assert network_of({'network.a': torch.ones(1), 'loss_network.b': torch.ones(1)}).keys() == {'network.a'}
    with pytest.raises(ValueError, match='b holds values that half precision cannot: up to 70000'):
        halved({'b': torch.tensor([7e4])})


@pytest.mark.parametrize('content', [b'', b'no archive', lzma.compress(b'another file')])
def test_a_file_that_is_not_the_published_one_is_refused(trained, tmp_path, content):
    _, folder = trained
    (tmp_path / 'manifest.json').write_bytes((folder / 'manifest.json').read_bytes())
    (tmp_path / 'streets_sw.pth.xz').write_bytes(content)
    model = ready_weights.find_model('streets_sw', tmp_path)
    cached = ready_weights.checkpoint_of(ready_weights.find_model('streets_sw', folder))
    cached.write_bytes(b'damaged')  # what lies in the cache is not believed either
    with pytest.raises(UserError, match=r'streets_sw\.pth\.xz is (damaged|not the file).*nstall the package again'):
        ready_weights.checkpoint_of(model)
    assert ready_weights.checkpoint_of(ready_weights.find_model('streets_sw', folder)).stat().st_size == model.bytes


def test_predict_takes_a_model_by_its_name(own_folder, tmp_path):
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(tmp_path / 'one.png')
    words = [str(tmp_path / 'one.png'), str(tmp_path / 'out')]
    assert predict.main(predict.parse_arguments(['--model', 'streets_sw', *words])) == 0
    labels = np.array(Image.open(tmp_path / 'out/one.png'))
    assert labels.shape == (64, 96) and labels.max() < 19
    with pytest.raises(UserError, match="no model 'streets' comes with the package; did you mean streets_sw"):
        predict.main(predict.parse_arguments(['--model=streets', *words]))
    with pytest.raises(UserError, match='leave --norm and --network out'):
        predict.main(predict.parse_arguments(['--model', 'streets_sw', '--norm', 'bn', *words]))


def test_images_are_looked_at_as_large_as_in_training(trained):
    network, config = ready_weights.load_ready('streets_sw', folder=trained[1])
    pipeline = build_pipeline(config.test_dataloader.dataset.pipeline, from_file=False)
    small, large = np.zeros((128, 256, 3), np.uint8), np.zeros((300, 900, 3), np.uint8)
    for image, shape in ((small, (3, 128, 256)), (large, (3, 128, 384))):
        sample = {'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}
        assert tuple(pipeline(sample)['inputs'].shape) == shape
    assert segment_pixels(network, pipeline, large).shape == (300, 900)


def test_a_model_of_another_kind_names_the_command_that_takes_it(own_folder, tmp_path):
    with pytest.raises(
        UserError, match=r'--model streets_sw is the demo.*segments images, .*predict.* --model streets_sw'
    ):
        stylize.main(stylize.parse_arguments(['--model', 'streets_sw', 'in.png', str(tmp_path)]))


def test_without_a_model_commands_ask_for_their_files(capsys):
    with pytest.raises(SystemExit):
        predict.parse_arguments(['only.png'])
    assert 'config' in capsys.readouterr().err


def test_the_package_has_what_its_manifest_says():
    models = ready_models()
    assert set(models) <= set(NAMES)
    assert {file.name for file in ready_weights.FOLDER.glob('*.xz')} == {model.file.name for model in models.values()}
    assert sum(model.file.stat().st_size for model in models.values()) <= 14_500_000 == publish.LIMIT
    for model in models.values():
        assert ready_weights.checkpoint_of(model).stat().st_size == model.bytes
        assert model.command.startswith(f'python tools/model_converters/publish_weights.py --models {model.name}')


def test_the_metafile_names_the_weights_that_there_are():
    rows = yaml.safe_load((CONFIGS / 'metafile.yml').read_text())['Models']
    named = {row['Weights'].rpartition('/')[2]: row['Name'] for row in rows if 'Weights' in row}
    models = {model.file.name: model for model in ready_models().values()}
    assert set(named) <= set(models)
    for file, model in models.items():
        (recipe,) = recipes([model.name], CONFIGS, CONFIGS)
        if recipe.norm is None:  # another norm of a config has no row of its own
            assert named[file] == Path(recipe.runs[-1].config).stem


def test_a_recipe_trains_as_the_demo_does(tmp_path):
    streets: Recipe = recipes(['streets_sw'], tmp_path, tmp_path)[0]
    assert [run.treatment for run in streets.runs] == ['source only', 'self-training']
    assert f'load_from={streets.runs[0].folder}/iter_300.pth' in streets.runs[1].command()
    assert streets.checkpoint.name == 'iter_120.pth' and '--norm sw' in streets.runs[1].command()
    with pytest.raises(UserError, match='no weights road: one of photographs, streets, '):
        recipes(['road'], tmp_path, tmp_path)
