"""Which convolution gets which norm, against the lists that the paper prints."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from sw_mmseg.whitening import (
    SwitchWhiten2d,
    convert_sync_batchnorm,
    convolution_sites,
    describe,
    every,
    largest_group_size,
    place_norm,
    replace_norm,
)


def numbers(sites):
    return [site.index for site in sites]


def test_resnet50_counts_49_convolutions_without_shortcuts():
    sites = convolution_sites(torchvision.models.resnet50())
    assert len(sites) == 49 and all(site.norm is not None for site in sites)
    assert [sites[0].conv_name, sites[2].conv_name] == ['conv1', 'layer1.0.conv2']
    assert sites[2].norm_name == 'layer1.0.bn2'


@pytest.mark.parametrize(
    'k, expected',
    [
        (3, [1, *range(3, 40, 3)]),  # Appendix B: {1, 3, 6, …, 39}, 14 layers
        (6, [1, *range(6, 37, 6)]),  # {1, 6, 12, …, 36}, 7 layers
    ],
)
def test_resnet50_placements_of_the_paper(k, expected):
    model = torchvision.models.resnet50()
    placed = place_norm(model, every(k, exclude=['layer4']), SwitchWhiten2d)
    assert numbers(placed) == expected
    assert sum(isinstance(module, SwitchWhiten2d) for module in model.modules()) == len(expected)
    assert all(site.conv_name == 'conv1' or site.conv_name.endswith('conv2') for site in placed)
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 1000)


def test_resnet20_like_network_of_the_paper():
    """Two convolutions a block: every fourth is {1, 4, 8, 12, 16} of the 19 of ResNet-20."""

    def pair():
        return [nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16)]

    model = nn.Sequential(*[layer for _ in range(19) for layer in pair()])
    assert numbers(place_norm(model, every(4), SwitchWhiten2d)) == [1, 4, 8, 12, 16]


def test_new_norm_takes_over_parameters_and_the_rest_stays():
    torch.manual_seed(1)
    model = torchvision.models.resnet18().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean)
    x = torch.randn(1, 3, 64, 64)
    before = model(x)
    place_norm(model, every(1), lambda c: SwitchWhiten2d(c, statistics=('bn',)))
    assert not any(module.training for module in model.modules())
    torch.testing.assert_close(model(x), before)


def test_by_name_and_errors_leave_the_model_unchanged():
    model = torchvision.models.resnet18()
    placed = place_norm(model, ['conv1', 'layer2.0.conv1'], SwitchWhiten2d)
    assert numbers(placed) == [1, 6]
    with pytest.raises(ValueError, match=r"\['layer9'\] are not convolutions"):
        place_norm(model, ['layer9'], SwitchWhiten2d)
    with pytest.raises(ValueError, match='no convolution chosen'):
        place_norm(model, lambda site: False, SwitchWhiten2d)
    bare = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16))
    with pytest.raises(ValueError, match=r"no norm behind \['0'\]"):
        place_norm(bare, every(1), SwitchWhiten2d)
    assert isinstance(bare[3], nn.BatchNorm2d)


def test_describe_lists_every_convolution():
    model = torchvision.models.resnet50()
    place_norm(model, every(6, exclude=['layer4']), SwitchWhiten2d)
    lines = describe(model).splitlines()
    assert len(lines) == 50 and '49 convolutions, 7 switchable norms' in lines[-1]
    assert 'SwitchWhiten2d(bw, iw)' in lines[5] and 'BatchNorm2d' in lines[4]


def test_a_batchnorm_in_place_of_whitening_takes_its_variances():
    model = nn.Sequential(nn.Conv2d(3, 16, 1), SwitchWhiten2d(16, group_size=8))
    whitening = model[1]
    nn.init.normal_(whitening.running_mean)
    whitening.running_cov.add_(torch.rand(2, 8, 8))
    norm = replace_norm(model, '1', nn.BatchNorm2d(16))
    assert model[1] is norm and torch.equal(norm.running_mean, whitening.running_mean)
    assert torch.equal(norm.running_var, torch.stack([whitening.running_cov[i // 8, i % 8, i % 8] for i in range(16)]))
    assert isinstance(replace_norm(model, '1', nn.InstanceNorm2d(16)), nn.InstanceNorm2d)


def test_a_norm_made_of_norms_is_seen_and_refused():
    """As IBN is: nothing of the halves could be taken over."""
    halves = nn.ModuleDict({'instance': nn.InstanceNorm2d(8), 'batch': nn.BatchNorm2d(8)})
    halves.num_features = 16
    model = nn.Sequential(nn.Conv2d(3, 16, 1), halves, nn.Conv2d(16, 16, 1), nn.Sequential(nn.BatchNorm2d(16)))
    assert [site.norm_name for site in convolution_sites(model)] == ['1', None]
    with pytest.raises(ValueError, match=r"1, a ModuleDict, has modules inside .*\['instance', 'batch'\]"):
        place_norm(model, lambda site: site.index == 1, SwitchWhiten2d)


def test_converting_to_sync_batchnorm_leaves_switch_whitening():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16), nn.Sequential(nn.BatchNorm2d(16)))
    whitening = model[1]
    converted = convert_sync_batchnorm(model)
    assert converted[1] is whitening and isinstance(converted[2][0], nn.SyncBatchNorm)
    assert convert_sync_batchnorm(whitening) is whitening
    model = nn.ModuleDict({'first': whitening, 'second': whitening, 'norm': nn.BatchNorm2d(16)})  # of two names
    converted = convert_sync_batchnorm(model)
    assert converted['first'] is converted['second'] is whitening and isinstance(converted['norm'], nn.SyncBatchNorm)


def test_code_that_takes_it_for_a_batchnorm_is_told():
    layer = SwitchWhiten2d(16)
    with pytest.raises(AttributeError, match='convert_sync_batchnorm'):
        _ = layer.running_var
    assert not hasattr(layer, 'running_var')


def fitting(channels):
    return SwitchWhiten2d(channels, group_size=largest_group_size(channels, 16))


@pytest.mark.parametrize(
    'name, k, count, first',
    [
        ('efficientnet_b0', 3, 49, ['conv_stem', 'blocks.0.0.conv_pw', 'blocks.1.0.conv_pwl']),
        ('mobilenetv3_small_100', 2, 35, ['conv_stem', 'blocks.0.0.conv_dw', 'blocks.1.0.conv_pw']),
        ('seresnet50', 3, 49, ['conv1', 'layer1.0.conv2', 'layer1.1.conv2']),
        ('res2net50_26w_4s', 3, 81, ['conv1', 'layer1.0.convs.0', 'layer1.0.conv3']),
    ],
)
def test_networks_with_gates_and_with_lists_of_norms(name, k, count, first):
    """Counted by hand from the networks' tables: gates see no image, lists of convolutions and norms are pairs."""
    model = timm.create_model(name)
    sites = convolution_sites(model)
    placed = place_norm(model, every(k), fitting)
    assert not any('se' in site.conv_name.split('.') for site in sites)
    assert [site.conv_name for site in placed][:3] == first
    for site in placed:
        assert model.get_submodule(site.norm_name) is site.norm and isinstance(site.norm, SwitchWhiten2d)
    assert len(sites) == count
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 1000)


@pytest.mark.parametrize('name', ['densenet121', 'resnetv2_50', 'mobilevit_xxs', 'vgg11_bn'])
def test_where_no_norm_stands_behind_the_error_names_a_way_that_works(name):
    model = timm.create_model(name)
    with pytest.raises(ValueError, match=r'no norm behind \[.*convert\(model, where=') as refused:
        place_norm(model, every(3), fitting)
    assert not any(isinstance(module, SwitchWhiten2d) for module in model.modules())
    assert 'lambda site: site.norm is not None and every(k)(site)' in str(refused.value)
    placed = place_norm(model, lambda site: site.norm is not None and every(3)(site), fitting)
    assert placed and all(site.index == 1 or site.index % 3 == 0 for site in placed)


def test_a_part_of_the_name_leaves_convolutions_out():
    placed = place_norm(timm.create_model('vgg11_bn'), every(3, exclude=['pre_logits']), fitting)
    assert numbers(placed) == [1, 3, 6]  # of eight; 9 and 10 are those of the head


@pytest.mark.parametrize('model', [torchvision.models.vgg11(init_weights=False), timm.create_model('convnext_atto')])
def test_a_model_without_such_norms_is_said_to_be_one(model):
    with pytest.raises(ValueError, match=f'{type(model).__name__} has no BatchNorm, InstanceNorm or GroupNorm'):
        place_norm(model, every(3), fitting)


def test_gates_of_torchvision():
    gated = convolution_sites(torchvision.models.efficientnet_b0())
    assert len(gated) == 49 and all(site.norm is not None for site in gated)


def test_channels_that_the_norm_refuses_leave_the_model_unchanged():
    model = timm.create_model('mobilenetv2_100')  # 32 and 16 channels first, then 24
    with pytest.raises(ValueError, match=r'group_size=16 does not divide 24.*largest_group_size\(channels, 16\)'):
        place_norm(model, every(1), SwitchWhiten2d)
    assert not any(isinstance(module, SwitchWhiten2d) for module in model.modules())
