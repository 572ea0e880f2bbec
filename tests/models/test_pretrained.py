"""Pretrained weights load, or the run stops and says why."""

import argparse
import urllib.error

import numpy as np
import pytest
import torch
import torchvision
from mmengine.logging import HistoryBuffer

from sw_mmseg.models import (
    PretrainedError,
    VGG16DeepLab,
    load_pretrained,
    read_checkpoint,
    start_as_batchnorm,
    switch_sites,
)
from sw_mmseg.stylization import loss_network
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.slow_cases import slow


@pytest.fixture(scope='module')
def vgg_file(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'vgg16.pth'
    torch.manual_seed(0)
    torch.save(
        {f'features.{key}': value for key, value in torchvision.models.vgg16().features.state_dict().items()}, path
    )
    return str(path)


def test_vgg16_with_new_norms_loads_all_it_can(vgg_file, log):
    network = VGG16DeepLab({'type': 'SW'}, init_cfg={'type': 'ImageNetPretrained', 'checkpoint': vgg_file})
    network.init_weights()
    weights = torch.load(vgg_file)
    assert torch.equal(network.conv1_1.weight, weights['features.0.weight'])
    assert torch.equal(network.conv5_3.bias, weights['features.28.bias'])
    assert '100.0% of the 26 parameters' in log.text  # thirteen convolutions, weight and bias
    for name in ('fc6.weight', 'fc7.bias', 'norm3.weight', 'norm5.cov_logits'):
        assert f'not in the file: {name}' in log.text
    assert 'MISSING' not in log.text


def test_too_little_of_the_backbone_stops_the_run(vgg_file):
    with pytest.raises(PretrainedError, match=r'0\.0% of the 26.*at least 90%.*Of another shape: conv1_1.weight'):
        load_pretrained(VGG16DeepLab(width=0.25), read_checkpoint(vgg_file), source=vgg_file)
    state = {key: value for key, value in read_checkpoint(vgg_file).items() if not key.startswith('features.0')}
    assert load_pretrained(VGG16DeepLab(), state) == pytest.approx(24 / 26)
    del state['features.2.weight']
    with pytest.raises(PretrainedError, match=r'88\.5% of the 26.*Missing: conv1_1.weight, conv1_1.bias, conv1_2'):
        load_pretrained(VGG16DeepLab(), state)


def test_resnet_loads_torchvisions_keys_whichever_norm_stands_where(log):
    theirs = torchvision.models.resnet50(weights=None)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight)
    state = theirs.state_dict()
    for kwargs in ({}, {'norm_cfg': {'type': 'SW'}}, {'site_norm_cfg': {'type': 'SW'}}):
        network = switch_sites('ResNet', depth=50, init_cfg={'type': 'Normal', 'layer': 'Conv2d'}, **kwargs)
        assert load_pretrained(network, state) == 1.0
        assert torch.equal(network.layer2[1].bn2.weight, state['layer2.1.bn2.weight'])
        assert torch.equal(network.bn1.running_mean, state['bn1.running_mean'])
    cov = network.bn1.running_cov
    torch.testing.assert_close(cov.diagonal(dim1=-2, dim2=-1).flatten(), state['bn1.running_var'])
    assert '159 parameters' in log.text  # 53 convolutions, 53 norms of two

    network = switch_sites('ResNet', depth=50, site_norm_cfg={'type': 'IN', 'affine': True})  # without statistics
    assert load_pretrained(network, state) == 1.0
    assert torch.equal(network.bn1.weight, state['bn1.weight']) and network.bn1.running_mean is None

    network = switch_sites('ResNet', depth=50, norm_cfg={'type': 'GN', 'num_groups': 16})
    with pytest.raises(PretrainedError, match='Missing: gn1.weight'):
        load_pretrained(network, state)


def test_whole_models_of_the_openmmlab_family(vgg_file, tmp_path):
    state = VGG16DeepLab.remap_pretrained(torch.load(vgg_file))
    torch.save(
        {'state_dict': {f'backbone.{k}': v for k, v in state.items()} | {'decode_head.x': torch.ones(1)}},
        tmp_path / 'model.pth',
    )
    assert load_pretrained(VGG16DeepLab(), read_checkpoint(str(tmp_path / 'model.pth'))) == 1.0


class Loud:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return print, ('run by unpickling',)


@pytest.mark.parametrize('prefix', ['', 'module.', 'backbone.', 'segmentor.backbone.', 'segmentor.module.backbone.'])
@pytest.mark.parametrize('container', [None, 'state_dict', 'model', 'model_state_dict'])
def test_checkpoints_of_any_training(tmp_path, prefix, container, capsys):
    """As mmengine writes them, with log buffers, optimisers and a teacher beside; nothing in them is run."""
    state = VGG16DeepLab(width=0.125).state_dict()
    weights = {f'{prefix}{key}': value for key, value in state.items()}
    if 'segmentor' in prefix:
        weights |= {f'teacher.backbone.{key}': torch.zeros_like(value) for key, value in state.items()}
    content = {
        container: weights,
        'meta': {'iter': 3},
        'loud': Loud(),
        'args': argparse.Namespace(lr=1),
        'message_hub': {'log_scalars': {'x': HistoryBuffer([1.0, np.float64(2.0)], [1, 1])}},
        'optimizer': {'state': {0: {'exp_avg': torch.zeros(2)}}},
    }
    path = str(tmp_path / 'iter_3.pth')
    torch.save(content if container else weights, path)
    network = VGG16DeepLab(width=0.125)
    assert load_pretrained(network, read_checkpoint(path)) == 1.0
    assert torch.equal(network.conv3_2.weight, state['conv3_2.weight'])
    torch.save({'meta': {'epoch': 1}, 'loud': Loud()}, path)
    with pytest.raises(PretrainedError, match='it holds no weights'):
        read_checkpoint(path)
    assert 'run by' not in capsys.readouterr().out


def test_no_network_is_one_clear_error(monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError('no route to host')

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', offline)
    with pytest.raises(
        PretrainedError,
        match=r'cannot fetch https://\S+vgg16\S+: .*no route to host.*'
        r'--cfg-options .*checkpoint=PATH.*init_cfg=None',
    ):
        read_checkpoint('torchvision://vgg16')


@pytest.mark.parametrize('read', [read_checkpoint, loss_network._read])
def test_a_flipped_bit_of_a_weight_is_found(read, tmp_path):
    """torch does not look at the checksums of its archives."""
    weight, path = torch.arange(1000.0), tmp_path / 'flipped.pth'
    torch.save({'features.0.weight': weight}, path)
    content = bytearray(path.read_bytes())
    content[content.index(weight.numpy().tobytes()) + 2000] ^= 4
    path.write_bytes(content)
    with pytest.raises(PretrainedError, match=r'flipped\.pth is damaged: the checksum of .* is wrong'):
        read(str(path))


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(PretrainedError, match='no such file.*missing.pth'):
        read_checkpoint(str(tmp_path / 'missing.pth'))
    (tmp_path / 'text.pth').write_text('not a checkpoint')
    with pytest.raises(PretrainedError, match='not a file of weights'):
        read_checkpoint(str(tmp_path / 'text.pth'))
    with pytest.raises(PretrainedError, match='torchvision has no ImageNet weights'):
        read_checkpoint('torchvision://vgg61')


def trained_resnet():
    """torchvision's ResNet-50 whose statistics are those of its features, with variances far apart; eval mode."""
    theirs = torchvision.models.resnet50(weights=None)
    for module in theirs.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data *= 10 ** (1.5 * torch.rand(module.out_channels, 1, 1, 1) - 1)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    with torch.no_grad():
        theirs(torch.randn(8, 3, 64, 64))
    return theirs.eval()


@pytest.mark.parametrize(
    'site',
    [
        {'type': 'SW'},
        {'type': 'SW', 'statistics': ('bw', 'iw', 'bn', 'in', 'ln')},
        slow({'type': 'BW'}),
        slow({'type': 'SW', 'inverse_sqrt': 'eigh'}),
    ],
)
def test_init_from_bn_keeps_the_networks_function(site):
    theirs, images = trained_resnet(), torch.randn(2, 3, 64, 64)

    def features(network):
        x = network.maxpool(network.relu(network.bn1(network.conv1(images))))
        return network.layer3(network.layer2(network.layer1(x)))

    expected = features(theirs)
    kept, mixed = (switch_sites('ResNet', depth=50, site_norm_cfg=site) for _ in range(2))
    assert load_pretrained(kept, theirs.state_dict(), init_from_bn=True) == 1.0
    assert load_pretrained(mixed, theirs.state_dict()) == 1.0
    for network in (kept, mixed):
        network.eval()
    with torch.no_grad():
        error, without = ((features(network) - expected).norm() / expected.norm() for network in (kept, mixed))
    assert error < (1e-4 if site['type'] == 'BW' else 0.01) and without > 0.5  # relative, after 40 convolutions


def test_a_layer_that_starts_as_batchnorm_has_its_ratios_and_still_learns():
    layer = SwitchWhiten2d(16, statistics=('bw', 'iw', 'bn', 'in', 'ln'))
    start_as_batchnorm(layer, share=0.9)
    assert layer.cov_ratios() == pytest.approx({'bn': 0.9, 'bw': 0.025, 'iw': 0.025, 'in': 0.025, 'ln': 0.025})
    (layer(torch.randn(2, 16, 4, 4)) ** 3).sum().backward()
    assert layer.training and (layer.cov_logits.grad != 0).all() and layer.running_mean.abs().max() > 0
    with pytest.raises(ValueError, match='neither bn nor bw'):
        start_as_batchnorm(SwitchWhiten2d(16, statistics=('iw',)))
    with pytest.raises(ValueError, match='no running statistics'):
        start_as_batchnorm(SwitchWhiten2d(16, track_running_stats=False))
    with pytest.raises(ValueError, match=r'share=1.0'):
        start_as_batchnorm(layer, share=1.0)


def test_a_whitening_backbone_loads_whole_and_gives_a_batchnorm_its_variances(log):
    whitened = switch_sites('ResNet', depth=50, site_norm_cfg={'type': 'SW'})
    for layer in whitened.modules():
        if isinstance(layer, SwitchWhiten2d):
            layer.running_cov.copy_(torch.rand_like(layer.running_cov) + 3 * torch.eye(16))
            torch.nn.init.normal_(layer.mean_logits)
    state = whitened.state_dict()
    same = switch_sites('ResNet', depth=50, site_norm_cfg={'type': 'SW'})
    assert load_pretrained(same, state, init_from_bn=True) == 1.0  # nothing is BatchNorm in the file: nothing changes
    assert all(torch.equal(value, state[key]) for key, value in same.state_dict().items())
    plain = switch_sites('ResNet', depth=50)
    assert load_pretrained(plain, state) == 1.0
    assert 'bn1 whitens in the file and is a BatchNorm here' in log.text
    assert torch.equal(plain.bn1.running_var, state['bn1.running_cov'].diagonal(dim1=-2, dim2=-1).flatten())


def test_addresses_of_mmengine_and_the_shape_of_mmpretrains_files(tmp_path, monkeypatch):
    from mmengine.runner.checkpoint import CheckpointLoader

    state = torchvision.models.resnet50(weights=None).state_dict()
    whole = {f'backbone.{key}': value for key, value in state.items() if not key.startswith('fc')}
    asked = []

    def fetch(name, **options):
        asked.append(name)
        return {'state_dict': {**whole, 'head.fc.weight': state['fc.weight']}, 'meta': {}}

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', fetch)
    for name in ('open-mmlab://resnet50', 'mmcls://resnet50', 'https://example.org/resnet50.pth'):
        assert load_pretrained(switch_sites('ResNet', depth=50), read_checkpoint(name)) == 1.0
    assert len(asked) == 3
    monkeypatch.undo()
    with pytest.raises(PretrainedError, match='knows no model of that name.*open-mmlab://resnet51'):
        read_checkpoint('open-mmlab://resnet51')
