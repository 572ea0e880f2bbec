"""The network and its training: any size, whitening that whitens, and a step of every config."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from mmengine.runner import Runner
from PIL import Image
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running.norms import norm_of
from sw_mmseg.stylization import StyleNetwork
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.config_runs import OMEGA, StartHook, load, names_of, reloaded
from tests.helpers.slow_cases import slow

CONFIGS = names_of('stylization/test_stylization.py')
NORMS = ('bn', 'in', 'iw', 'sw', 'swb')  # of Figures 4, 5 and 9


def test_the_promised_configs_are_there():
    assert {f'{norm}_style_{data}' for norm in ('bn', 'sw') for data in ('coco', 'streets')} == set(CONFIGS)


@pytest.mark.parametrize('decoder', ['transposed', 'resize'])
@pytest.mark.parametrize('size', [(1, 1), (3, 50), (33, 22)])
def test_any_size(decoder, size):
    network = StyleNetwork(dict(type='IW'), width=16, blocks=1, decoder=decoder).eval()
    y = network(torch.rand(1, 3, *size))
    assert y.shape[-2:] == size and 0 <= y.min() and y.max() <= 1


def test_unknown_decoder():
    with pytest.raises(ValueError, match="one of .*'resize'"):
        StyleNetwork(dict(type='IW'), decoder='shuffle')


@pytest.mark.parametrize('eps', [1e-10, 1e-2])
def test_instance_whitening_whitens_and_instance_norm_does_not(eps):
    """A whitened image has covariance Σ^(−1/2) (Σ − eps) Σ^(−1/2) = I − eps Σ^(−1), with eps in Σ."""
    x = torch.einsum('cd,ndhw->nchw', torch.randn(8, 8).double(), torch.randn(2, 8, 20, 20).double())
    slices = x.reshape(2, 2, 4, -1)
    slices = slices - slices.mean(-1, keepdim=True)
    covariance = slices @ slices.mT / 400 + eps * torch.eye(4).double()
    expected = torch.eye(4).double() - eps * torch.linalg.inv(covariance)
    whitening = dict(type='IW', group_size=4, inverse_sqrt='eigh', eps=eps)
    for kind, white in ((whitening, True), (dict(type='IN', eps=eps), False)):
        groups = MODELS.build({'num_features': 8, **kind}).double()(x).reshape(2, 2, 4, -1)
        assert torch.allclose(groups @ groups.mT / 400, expected, atol=1e-6) == white
        assert torch.allclose(groups.mean(-1), torch.zeros(2, 2, 4).double(), atol=1e-9)


@pytest.mark.parametrize(
    ('name', 'norm'),
    [
        ('sw_style_coco', None),
        ('bn_style_streets', 'iw'),
        *(slow(name, None) for name in CONFIGS if name != 'sw_style_coco'),
        *(
            pytest.param('bn_style_streets', norm, marks=pytest.mark.slow)
            for norm in NORMS
            if norm not in ('bn', 'sw', 'iw')
        ),
        *(pytest.param('bn_style_coco', norm, marks=pytest.mark.slow) for norm in NORMS if norm not in ('bn', 'sw')),
    ],
)
def test_config_steps(name, norm, tmp_path):
    """What is a file, and its other norms, written and read again."""
    config = load(name) if norm is None else reloaded(load(name, norm), tmp_path)
    norm = norm or name.split('_')[0]
    assert norm_of(config) == norm
    contents = tmp_path / 'contents'
    contents.mkdir()
    for index in range(2):
        Image.fromarray(np.random.default_rng(index).integers(0, 255, (32, 32, 3), np.uint8)).save(
            contents / f'{index}.png'
        )
    config.model.network.update(width=16, blocks=1)
    config.model.update(style=str(contents / '0.png'), loss_network=dict(checkpoint=None, width=0.25))
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.dataset.update(data_root=str(contents), size=32)
    config.train_cfg.max_iters = config.default_hooks.checkpoint.interval = 1
    for hook in config.custom_hooks:
        hook.interval = 1
    config.update(work_dir=str(tmp_path / 'run'), experiment_name=tmp_path.name, log_level='ERROR')
    config.visualizer.name = tmp_path.name
    runner = Runner.from_cfg(config)
    layers = [layer for layer in runner.model.network.modules() if isinstance(layer, SwitchWhiten2d)]
    assert [layer.statistics for layer in layers] == ([OMEGA[norm]] * 7 if norm in OMEGA else [])
    if norm in ('bn', 'in'):
        kind = {'bn': nn.BatchNorm2d, 'in': nn.InstanceNorm2d}[norm]
        layers = [layer for layer in runner.model.network.modules() if isinstance(layer, kind)]
        assert len(layers) == 7 and all(layer.affine for layer in layers)
    start = StartHook()
    runner.register_hook(start)
    runner.train()
    changed = start.changed(runner.model) & dict(runner.model.named_parameters()).keys()
    assert any(key.startswith('network') for key in changed)
    assert not any(key.startswith('loss_network') for key in changed)
    assert (tmp_path / 'run/iter_1.pth').is_file()
    with Image.open(next((tmp_path / 'run').glob('*/vis_data/vis_image/stylised_1.png'))) as sheet:
        assert sheet.size == (64, 64)  # two contents above two results
        top = np.asarray(sheet)[:32, :32]
    if name.endswith('coco'):  # nothing is cut off, nothing mirrored
        assert any(np.array_equal(top, np.asarray(Image.open(contents / f'{index}.png'))) for index in range(2))
