"""tools/adapt.py --from of networks that padded their own training's images to a size."""

import json

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from sw_mmseg.models import DomainPreprocessor
from sw_mmseg.own_images.given_network import GivenNetwork, segmentor_of
from sw_mmseg.own_images.source_free_config import source_free_training
from sw_mmseg.running.configs import load_config
from tests.helpers.own_folders import save

pytestmark = pytest.mark.usefixtures('one_thread')
NAME = 'bn_pspnet_streets'  # with mmseg's SegDataPreProcessor and size=(128, 128)


@pytest.mark.parametrize('labelled', [False, True])
def test_images_keep_their_size_in_the_colours_of_the_given_network(tmp_path, labelled):
    config = load_config(NAME, {})
    given = GivenNetwork(config, segmentor_of(config, NAME), {}, None, None)
    made = source_free_training(given, 8, 0, tmp_path / 'start.pth', labelled)
    preprocessor = MODELS.build(made.model.data_preprocessor)
    assert isinstance(preprocessor, DomainPreprocessor) and preprocessor.size is None
    image = torch.full((3, 64, 96), 100, dtype=torch.uint8)
    image[0] = 200  # blue
    sides = [{'inputs': [image.clone()], 'data_samples': []} for _ in range(2)]
    batch = dict(zip(('source', 'target'), sides)) if labelled else sides[0]
    made_batch = preprocessor(batch, False)
    pixels = (made_batch['target'] if labelled else made_batch)['inputs']
    assert pixels.shape == (1, 3, 64, 96)
    expected = [(100 - 123.675) / 58.395, (100 - 116.28) / 57.12, (200 - 103.53) / 57.375]  # red, green, blue
    assert pixels[0, :, 0, 0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('few', [False, True])
def test_from_a_config_and_a_checkpoint_to_a_report(run, tmp_path, few):
    config, rng = load_config(NAME, {}), np.random.default_rng(0)
    torch.save({'state_dict': MODELS.build(config.model).state_dict()}, tmp_path / 'given.pth')
    for n in range(3):
        save(tmp_path / f'target/{n}.png', rng.integers(0, 255, (64, 96, 3), np.uint8))
    save(tmp_path / 'few/images/x.png', rng.integers(0, 255, (64, 96, 3), np.uint8))
    save(tmp_path / 'few/labels/x.png', np.full((64, 96), 2, np.uint8))
    words = ['--from', f'configs/{NAME}.py', tmp_path / 'given.pth', '--target', tmp_path / 'target']
    words += ['--out', tmp_path / 'out', '--iterations', 8, '--batch-size', 2, '--predict', 0]
    words += ['--target-few', tmp_path / 'few/images', tmp_path / 'few/labels'] if few else []
    assert run('adapt', *words) == 0
    results = json.loads((tmp_path / 'out/results.json').read_text())
    assert results['checkpoint'].startswith('self-training') and (tmp_path / 'out/checkpoint.pth').is_file()
