"""What a norm has beside its values, when another one takes its place: kept, or refused before anything changes."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import SwitchWhiten2d, convert, every, place_norm

PLACEMENTS = {
    'convert': lambda model, **options: convert(model, **options),
    'place_norm': lambda model, **options: place_norm(model, every(1), lambda c: SwitchWhiten2d(c, **options)),
}


class Rectified(nn.BatchNorm2d):
    """Its own code behind the normalisation."""

    def forward(self, input):
        return super().forward(input).relu()


class Gained(nn.BatchNorm2d):
    """Its own parameter."""

    def __init__(self, channels):
        super().__init__(channels)
        self.gain = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, input):
        return self.gain * super().forward(input)


class Renamed(nn.BatchNorm2d):
    """Nothing of its own."""


def of_two(first, second):
    return nn.Sequential(nn.Conv2d(3, 16, 1), first, nn.ReLU(), nn.Conv2d(16, 16, 1), second)


@pytest.mark.parametrize('kind', [Rectified, Gained])
@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_code_of_a_derived_class_is_not_dropped(place, kind):
    model = of_two(nn.BatchNorm2d(16), kind(16))
    with pytest.raises(ValueError, match=f'4 does more than normalise.*{kind.__name__}.forward. Leave it out'):
        place(model)
    assert type(model[1]) is nn.BatchNorm2d and type(model[4]) is kind  # unchanged
    assert list(convert(model, where=lambda name, _: name != '4')) == ['1']


@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_a_forward_put_on_a_norm_is_not_dropped(place):
    """As tools do that wrap the calls of single modules."""
    model = of_two(nn.BatchNorm2d(16), nn.BatchNorm2d(16))
    model[4].forward = Rectified.forward.__get__(model[4])
    with pytest.raises(ValueError, match='4 has hooks that the new norm would not have: .*a forward assigned to it'):
        place(model)
    assert type(model[1]) is nn.BatchNorm2d


def test_a_derived_class_without_code_is_replaced():
    model = of_two(nn.BatchNorm2d(16), Renamed(16))
    assert list(convert(model)) == ['1', '4']


@pytest.mark.parametrize(
    'place', [convert, lambda model: place_norm(model, every(1), SwitchWhiten2d)], ids=['convert', 'place_norm']
)
def test_a_norm_that_has_not_seen_its_channels_is_named(place):
    model = nn.Sequential(nn.LazyConv2d(16, 1), nn.LazyBatchNorm2d())
    with pytest.raises(
        ValueError, match='1, a LazyBatchNorm2d, does not know its channels .* call the model on one first'
    ):
        place(model)
    model(torch.randn(2, 3, 4, 4))
    place(model)
    assert isinstance(model[1], SwitchWhiten2d)


@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_parameters_that_norms_share_stay_shared(place):
    """As of norms of two domains with one scale: with `bn` alone the same network, also after a step."""
    model = of_two(nn.BatchNorm2d(16), nn.BatchNorm2d(16))
    model[4].weight, model[4].bias = model[1].weight, model[1].bias
    twin = copy.deepcopy(model)
    place(model, statistics=('bn',))
    assert len(list(model.parameters())) == len(list(twin.parameters())) + 4  # the switches
    x = torch.randn(4, 3, 5, 5)
    for network in (model, twin):
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        network(x).pow(3).sum().backward()
        optimizer.step()
    torch.testing.assert_close(model(x), twin(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('place', PLACEMENTS.values(), ids=PLACEMENTS)
def test_an_optimiser_and_a_hook_that_have_the_parameters_keep_them(place):
    model = of_two(nn.BatchNorm2d(16), nn.BatchNorm2d(16))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model[1].bias.register_hook(lambda grad: 0 * grad)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    place(model)
    model(torch.randn(4, 3, 5, 5)).pow(3).sum().backward()
    optimizer.step()
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before.get(name, value))}
    assert {'1.weight', '4.weight', '4.bias'} <= moved and '1.bias' not in moved
