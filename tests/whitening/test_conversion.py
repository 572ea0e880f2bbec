"""SW as a drop-in for networks of other packages: torchvision's and, where it is installed, timm's."""

import copy
import io

import pytest
import torch
import torchvision
from torch import nn

from sw_mmseg.whitening import (
    PRESETS,
    SwitchNorm2d,
    SwitchWhiten1d,
    SwitchWhiten2d,
    SwitchWhiten3d,
    convert,
    every,
    place_norm,
    replace_norm,
)
from sw_mmseg.whitening.conversion import largest_group_size
from tests.helpers.slow_cases import slow

# ResNet, ResNeXt, RegNet, DenseNet, MobileNet
LARGE = [slow(name) for name in ('resnext50_32x4d', 'densenet121')]
TORCHVISION = ['resnet18', 'regnet_y_400mf', 'mobilenet_v3_small', *LARGE]
TIMM = ['resnet18', 'regnety_002', 'mobilenetv3_small_050', *LARGE]


def check(model):
    batch_norms = {name: norm.num_features for name, norm in model.named_modules() if isinstance(norm, nn.BatchNorm2d)}
    keys = {key for key in model.state_dict() if not key.endswith('running_var')}
    layers = convert(model)
    assert batch_norms and {name: layer.num_features for name, layer in layers.items()} == batch_norms
    assert not any(type(module) is nn.BatchNorm2d for module in model.modules())
    assert keys <= model.state_dict().keys()
    for channels, layer in zip(batch_norms.values(), layers.values()):
        assert channels % layer.group_size == 0 and layer.group_size <= 16
        assert layer.group_size == 16 or channels % 16, 'groups of 16 where they fit'
    images = torch.randn(2, 3, 64, 64)
    output = model.train()(images)
    output.square().mean().backward()
    assert output.shape == (2, 1000) and output.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.eval()(images).isfinite().all()
    return layers


@pytest.mark.parametrize('name', TORCHVISION)
def test_torchvisions_families(name):
    layers = check(getattr(torchvision.models, name)(weights=None))
    sizes = {layer.group_size for layer in layers.values()}
    # 104 = 8·13 and 440 = 40·11 channels; 24, 40, 72, 88 and 120
    assert sizes == {'regnet_y_400mf': {16, 13, 11}, 'mobilenet_v3_small': {16, 12, 10, 11, 15}}.get(name, {16})


@pytest.mark.parametrize('name', TIMM)
def test_timms_families(name):
    timm = pytest.importorskip('timm')
    check(timm.create_model(name, pretrained=False))


def test_an_activation_inside_timms_norm_stays():
    """Ω = {bn} is BatchNorm: with it, a converted network computes what it did, activations and all."""
    timm = pytest.importorskip('timm')
    model = timm.create_model('densenet121', pretrained=False).eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
            nn.init.normal_(norm.running_mean)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        convert(model, statistics=('bn',))
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(copy.deepcopy(model)(images), expected, rtol=1e-4, atol=1e-4)


class NormWithActivation(nn.BatchNorm2d):
    """Built as timm's: what follows the normalisation is inside."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


def test_the_activation_survives_copies_pickling_and_a_second_replacement():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), NormWithActivation(16)).eval()
    x = torch.randn(2, 3, 8, 8)
    expected = model(x)
    assert (expected == 0).any()
    convert(model, statistics=('bn',))
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    again = copy.deepcopy(model)
    replace_norm(again, '1', SwitchWhiten2d(16, statistics=('bn',)))
    for network in (model, again, torch.load(stream, weights_only=False)):
        torch.testing.assert_close(network(x), expected)


def test_trained_weights_are_taken_over_and_options_reach_the_layers():
    model = nn.Sequential(nn.Conv2d(3, 24, 1), nn.BatchNorm2d(24, eps=1e-3, momentum=None)).double().eval()
    nn.init.uniform_(model[1].weight)
    nn.init.uniform_(model[1].running_var)
    old = model[1]
    layers = convert(model, group_size=8, statistics=PRESETS['SWb'], tie_weights=True)
    assert layers == {'1': model[1]} and isinstance(model[1], SwitchWhiten2d)
    assert (model[1].group_size, model[1].eps, model[1].momentum) == (8, 1e-3, None)
    assert model[1].statistics == PRESETS['SWb'] and model[1].tie_weights
    assert torch.equal(model[1].weight, old.weight) and not model[1].training
    assert torch.equal(model[1].running_cov.diagonal(dim1=-2, dim2=-1).flatten(), old.running_var)
    with pytest.raises(TypeError, match='groupsize'):
        convert(nn.Sequential(nn.BatchNorm2d(4)), groupsize=8)


def test_groups_where_sixteen_do_not_fit(caplog):
    assert [largest_group_size(c, 16) for c in (8, 16, 24, 40, 88, 104, 17, 3)] == [8, 16, 12, 10, 11, 13, 1, 3]
    model = nn.Sequential(nn.Conv2d(3, 24, 1), nn.BatchNorm2d(24), nn.Conv2d(24, 32, 1), nn.BatchNorm2d(32))
    with caplog.at_level('INFO'):
        convert(model)
    assert (model[1].group_size, model[3].group_size) == (12, 16)
    assert "1 of 2 layers have groups of fewer than 16 channels: {'1': 12}" in caplog.text
    for size in (0, -4):
        with pytest.raises(ValueError, match=f'at least 1 channel, got {size}: the paper has 16'):
            convert(nn.Sequential(nn.BatchNorm2d(4)), group_size=size)


def test_other_ranks_and_what_is_chosen():
    switch_norm, group_norm = SwitchNorm2d(8), nn.GroupNorm(2, 8)
    model = nn.ModuleList([nn.BatchNorm1d(8), nn.BatchNorm2d(8), nn.BatchNorm3d(8), switch_norm, group_norm])
    assert list(convert(model, where=lambda name, norm: name != '1')) == ['0', '2']
    assert [type(norm) for norm in model[:3]] == [SwitchWhiten1d, nn.BatchNorm2d, SwitchWhiten3d]
    assert model[3] is switch_norm and model[4] is group_norm
    for wrong in (nn.Sequential(nn.GroupNorm(2, 4)), nn.BatchNorm2d(4)):
        with pytest.raises(ValueError, match='no BatchNorm chosen'):
            convert(wrong)
    with pytest.raises(AttributeError):
        replace_norm(model, '9', nn.BatchNorm2d(8))


def of_two(make=nn.BatchNorm2d):
    return nn.Sequential(nn.Conv2d(3, 16, 1), make(16), nn.ReLU(), nn.Conv2d(16, 16, 1), make(16))


PLACEMENTS = {
    'convert': lambda model, **options: convert(model, **options),
    'place_norm': lambda model, **options: place_norm(model, every(1), lambda c: SwitchWhiten2d(c, **options)),
}


@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_what_was_frozen_stays_frozen(place):
    """Of a norm that is wholly frozen the switches too: a step moves nothing of it."""
    model = of_two()
    model[1].requires_grad_(False).eval()
    model[4].weight.requires_grad_(False)
    place(model)
    frozen, half = model[1], model[4]
    assert not any(parameter.requires_grad for parameter in frozen.parameters()) and not frozen.training
    assert {name for name, parameter in half.named_parameters() if parameter.requires_grad} == {
        'bias',
        'mean_logits',
        'cov_logits',
    }
    before = copy.deepcopy(frozen.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model(torch.randn(2, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen.state_dict().items())


@pytest.mark.parametrize(
    'register',
    [
        'register_forward_hook',
        'register_forward_pre_hook',
        'register_full_backward_hook',
        'register_full_backward_pre_hook',
    ],
)
@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_hooks_are_not_dropped(place, register):
    model = of_two()
    handle = getattr(model[4], register)(lambda *_: None)
    with pytest.raises(ValueError, match='4 has hooks .*lambda.*Remove them first'):
        place(model)
    assert type(model[1]) is type(model[4]) is nn.BatchNorm2d  # unchanged
    handle.remove()
    place(model)
    assert isinstance(model[4], SwitchWhiten2d)


def test_modules_inside_a_norm_are_not_dropped():
    model = of_two()
    model[4].adapter = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"4, a BatchNorm2d, has modules inside .*\['adapter'\]"):
        convert(model)
    assert type(model[1]) is nn.BatchNorm2d


class Shared(nn.Module):
    """One norm behind two convolutions, under two names of one module and a third of another."""

    def __init__(self):
        super().__init__()
        norm = nn.BatchNorm2d(16)
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 1), norm
        self.conv2, self.norm2 = nn.Conv2d(16, 16, 1), norm
        self.part = nn.ModuleDict({'again': norm})

    def forward(self, x):
        return self.part['again'](self.norm2(self.conv2(self.norm1(self.conv1(x)))))


@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_a_norm_of_several_places_stays_one(place):
    model = Shared()
    twin = copy.deepcopy(model)
    placed = place(model, statistics=('bn',))
    assert isinstance(model.norm1, SwitchWhiten2d) and model.norm1 is model.norm2 is model.part['again']
    assert all(
        (site if isinstance(site, nn.Module) else site.norm) is model.norm1
        for site in (placed.values() if isinstance(placed, dict) else placed)
    )
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(model(x), twin(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.norm1.running_mean, twin.norm1.running_mean)
    assert model.norm1.num_batches_tracked == 3


def test_what_a_norm_tracks_and_with_whom_is_taken_over():
    group = object()
    model = nn.ModuleList(
        [nn.BatchNorm2d(16, track_running_stats=False), nn.BatchNorm2d(16), nn.SyncBatchNorm(16, process_group=group)]
    )
    model[1].track_running_stats = False  # for a while
    convert(model)
    assert model[0].running_mean is None and model[0].running_cov is None
    assert model[1].running_cov is not None and not model[1].track_running_stats
    assert model[2].process_group is group and model[2].track_running_stats
