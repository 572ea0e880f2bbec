"""Style transfer: losses by hand, sizes, whitening that whitens, pictures of all kinds, and a step of every config."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import Runner
from PIL import Image

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.losses.perceptual import gram_matrix, total_variation
from sw_mmseg.stylization import PictureError, StyleNetwork, find_pictures, read_picture
from sw_mmseg.whitening import SwitchWhiten2d

ROOT = Path(__file__).resolve().parents[2]


def test_losses_by_hand():
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert torch.allclose(gram_matrix(x), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)
    assert total_variation(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])) == pytest.approx((4 + 16) / 2 + (1 + 9) / 2)


@pytest.mark.parametrize('decoder', ['transposed', 'resize'])
@pytest.mark.parametrize('size', [(1, 1), (3, 50), (33, 22)])
def test_any_size(decoder, size):
    network = StyleNetwork(dict(type='IW'), width=16, blocks=1, decoder=decoder).eval()
    y = network(torch.rand(1, 3, *size))
    assert y.shape[-2:] == size and 0 <= y.min() and y.max() <= 1


def test_instance_whitening_whitens_and_instance_norm_does_not():
    x = torch.einsum('cd,ndhw->nchw', torch.randn(8, 8).double(), torch.randn(2, 8, 20, 20).double())
    whitening = dict(type='IW', group_size=4, inverse_sqrt='eigh', eps=1e-10)
    for kind, white in ((whitening, True), (dict(type='IN'), False)):
        y = MODELS.build({'num_features': 8, **kind}).double()(x)
        groups = y.reshape(2, 2, 4, -1)
        covariance = groups @ groups.transpose(-1, -2) / groups.shape[-1]
        assert torch.allclose(covariance, torch.eye(4).double(), atol=1e-5) == white


def test_pictures_of_all_kinds(tmp_path):
    Image.fromarray(np.full((4, 6), 128, np.uint8)).save(tmp_path / 'grey.png')
    Image.fromarray(np.full((4, 6), 65535, np.uint16)).save(tmp_path / 'deep.png')
    Image.new('RGBA', (6, 4), (0, 0, 0, 0)).save(tmp_path / 'alpha.png')
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (6, 4)).save(tmp_path / 'turned.jpg', exif=exif)
    assert torch.allclose(read_picture(tmp_path / 'grey.png'), torch.full((3, 4, 6), 128 / 255))
    assert read_picture(tmp_path / 'deep.png').min() == 1 and read_picture(tmp_path / 'alpha.png').min() == 1
    assert read_picture(tmp_path / 'turned.jpg').shape == (3, 6, 4)
    (tmp_path / 'broken.png').write_text('no')
    with pytest.raises(PictureError, match='broken.png'):
        read_picture(tmp_path / 'broken.png')
    with pytest.raises(PictureError, match='data_root'):
        find_pictures(tmp_path / 'none')


@pytest.mark.parametrize('norm', ['bn', 'in', 'iw', 'sw', 'swb'])
def test_config_steps_and_stylises(norm, tmp_path, monkeypatch):
    config = Config.fromfile(ROOT / f'configs/{norm}_style_coco.py')
    contents = tmp_path / 'contents'
    contents.mkdir()
    for index in range(2):
        Image.fromarray(np.random.default_rng(index).integers(0, 255, (32, 32, 3), np.uint8)).save(
            contents / f'{index}.png')
    config.model.network.update(width=16, blocks=1)
    config.model.update(style=str(contents / '0.png'), loss_network=dict(checkpoint=None))
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.update(data_root=str(contents), size=32)
    config.train_cfg.max_iters = config.default_hooks.checkpoint.interval = 1
    config.update(work_dir=str(tmp_path / 'run'), experiment_name=tmp_path.name, log_level='ERROR')
    config.visualizer.name = tmp_path.name
    runner = Runner.from_cfg(config)
    whitens = sum(isinstance(m, SwitchWhiten2d) for m in runner.model.network.modules())
    assert whitens == (0 if norm in ('bn', 'in') else 7)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    changed = {key for key, value in runner.model.named_parameters() if not torch.equal(value, before[key])}
    assert any(key.startswith('network') for key in changed)
    assert not any(key.startswith('loss_network') for key in changed)
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    spec = importlib.util.spec_from_file_location('tool_stylize', ROOT / 'tools/stylize.py')
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool
    spec.loader.exec_module(tool)
    words = [str(tmp_path / 'run/iter_1.pth'), str(contents), str(tmp_path / 'out'), '--alpha', '0', '--device', 'cpu']
    assert tool.main(tool.parse_arguments(words)) == 0
    assert torch.equal(read_picture(tmp_path / 'out/0.png.png'), read_picture(contents / '0.png'))
