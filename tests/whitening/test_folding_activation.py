"""What a layer does beside whitening when it is folded: an activation stays, hooks of others are not dropped."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import BatchWhiten2d, SwitchWhiten2d, fold, fold_into, fold_model, for_inference, replace_norm

EXACT = dict(rtol=1e-6, atol=1e-6)
DOUBLE = dict(dtype=torch.float64)


def trained(layer):
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    for _ in range(3):
        layer(torch.randn(4, layer.num_features, 5, 5, **DOUBLE).cumsum(1) + 2)
    return layer.eval()


def with_activation(layer):
    """`layer` as it stands where timm's norm was: with a drop and an activation that a hook applies."""
    norm = nn.BatchNorm2d(layer.num_features, **DOUBLE)
    norm.drop, norm.act = nn.Dropout(0.5), nn.ReLU(inplace=True)
    model = nn.Sequential(norm)
    state = copy.deepcopy(layer.state_dict())
    replace_norm(model, '0', layer)
    layer.load_state_dict(state)
    return layer.eval()


def test_an_activation_inside_the_layer_stays():
    layer = with_activation(trained(BatchWhiten2d(8, group_size=4, **DOUBLE)))
    before, after = nn.Conv2d(3, 8, 3, **DOUBLE), nn.Conv2d(8, 4, 1, **DOUBLE)
    x, images = torch.randn(2, 8, 5, 6, **DOUBLE), torch.randn(2, 3, 7, 8, **DOUBLE)
    expected = layer(x)
    assert (expected == 0).any()
    conv, report = fold(layer, example=x)
    torch.testing.assert_close(conv(x), expected, **EXACT)
    joined, other = fold_into(before, layer, example=images)
    torch.testing.assert_close(joined(images), layer(before(images)), **EXACT)
    assert max(report.error, other.error) < 1e-12
    model = nn.Sequential(before, layer, after).eval()  # here it joins; in the next it becomes a convolution of its own
    for network, example in ((model, images), (nn.Sequential(nn.Identity(), layer, after).eval(), x)):
        folded, reports = fold_model(network, example=example)
        torch.testing.assert_close(folded(example), network(example), **EXACT)
        assert reports[0].error < 1e-12 and not any(isinstance(module, SwitchWhiten2d) for module in folded.modules())


class ThenRelu(BatchWhiten2d):
    """Does something behind the whitening, which a convolution would not do."""

    def forward(self, x):
        return super().forward(x).relu()


@pytest.mark.parametrize(
    'register',
    [
        'register_forward_hook',
        'register_forward_pre_hook',
        'register_full_backward_hook',
        'register_full_backward_pre_hook',
    ],
)
def test_hooks_of_others_are_not_dropped(register):
    layer = trained(BatchWhiten2d(8, group_size=4, **DOUBLE))
    handle = getattr(layer, register)(lambda *_: None)
    for attempt in (
        lambda: fold(layer),
        lambda: fold_into(nn.Conv2d(3, 8, 1, **DOUBLE), layer),
        lambda: fold_model(nn.Sequential(layer)),
    ):
        with pytest.raises(ValueError, match='does more than whiten.*lambda'):
            attempt()
    handle.remove()
    assert type(fold(layer)[0]) is nn.Conv2d


def test_a_forward_of_a_derived_class_is_not_dropped():
    with pytest.raises(ValueError, match='ThenRelu.forward'):
        fold(trained(ThenRelu(8, group_size=4, **DOUBLE)))


def doubling(module):
    module.forward = lambda x: 2 * type(module).forward(module, x)
    return module


def test_a_forward_put_on_a_layer_or_convolution_is_not_dropped():
    x = torch.randn(2, 3, 5, 5, **DOUBLE)
    for layer, make in (
        (BatchWhiten2d(8, group_size=4, **DOUBLE), fold),
        (SwitchWhiten2d(8, group_size=4), for_inference),
    ):
        with pytest.raises(ValueError, match='does more than whiten.*a forward assigned to it'):
            make(doubling(layer).eval())
    layer, conv = trained(BatchWhiten2d(8, group_size=4, **DOUBLE)), nn.Conv2d(3, 8, 1, **DOUBLE)
    with pytest.raises(TypeError, match='plain convolution'):
        fold_into(doubling(conv), layer)
    model = nn.Sequential(conv, layer).eval()
    torch.testing.assert_close(fold_model(model)[0](x), model(x), **EXACT)


@pytest.mark.parametrize('absent', ['weight', 'bias'])
def test_a_layer_without_scale_or_shift(absent):
    """Of which others take one away, as heads that end in a norm without β."""
    x = torch.randn(2, 8, 5, 5, **DOUBLE)
    for kind, make in ((BatchWhiten2d, lambda layer: fold(layer)[0]), (SwitchWhiten2d, for_inference)):
        layer = trained(kind(8, group_size=4, **DOUBLE))
        setattr(layer, absent, None)
        torch.testing.assert_close(make(layer)(x), layer(x), **EXACT)
