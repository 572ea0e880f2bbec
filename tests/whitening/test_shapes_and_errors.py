"""Shapes and values at the edge: each works, or raises an error that says what to do."""

import pytest
import torch

from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

from .helpers.reference import SUBSETS


def step(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    y.square().sum().backward()
    return y, x.grad


def all_finite(layer, *tensors):
    gradients = [parameter.grad for parameter in layer.parameters()]
    return all(torch.isfinite(t).all() for t in [*tensors, *gradients, *layer.buffers()])


@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('shape', [(1, 32, 5, 5), (4, 32, 1, 1), (2, 32, 3, 3), (2, 32, 1, 2)], ids=str)
@pytest.mark.parametrize('statistics', [s for s in SUBSETS if not set(s) <= {'iw', 'in'}], ids='+'.join)
def test_small_shapes_are_finite(statistics, shape, method):
    layer = SwitchWhiten2d(32, statistics=statistics, inverse_sqrt=method)
    y, grad = step(layer, torch.randn(shape))
    assert y.shape == shape and all_finite(layer, y, grad)


@pytest.mark.parametrize('statistics', SUBSETS, ids='+'.join)
def test_constant_channels_are_finite(statistics):
    x = torch.randn(2, 16, 6, 6)
    x[:, 3] = 7.0
    x[0] = 0.0
    layer = SwitchWhiten2d(16, statistics=statistics)
    y, grad = step(layer, x)
    assert all_finite(layer, y, grad)


@pytest.mark.parametrize('statistics', [('iw',), ('in',), ('iw', 'in')], ids='+'.join)
def test_one_pixel_images_without_batch_statistics_are_refused(statistics):
    with pytest.raises(ValueError, match='one pixel an image'):
        SwitchWhiten2d(16, statistics=statistics)(torch.randn(4, 16, 1, 1))


@pytest.mark.parametrize('statistics', [('bw',), ('bn',), ('bw', 'iw')], ids='+'.join)
def test_one_pixel_in_the_batch_is_refused_in_training_only(statistics):
    layer = SwitchWhiten2d(16, statistics=statistics)
    x = torch.randn(1, 16, 1, 1)
    with pytest.raises(ValueError, match="add 'ln'"):
        layer(x)
    assert torch.isfinite(layer.eval()(x)).all()


def test_layer_statistics_serve_one_pixel():
    layer = SwitchWhiten2d(16, statistics=('bw', 'ln'))
    y, grad = step(layer, torch.randn(1, 16, 1, 1))
    assert all_finite(layer, y, grad)


@pytest.mark.parametrize('statistics', SUBSETS, ids='+'.join)
def test_empty_batch(statistics):
    layer = SwitchWhiten2d(16, statistics=statistics)
    before = [buffer.clone() for buffer in layer.buffers()]
    x = torch.randn(0, 16, 4, 4, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.shape == x.shape and x.grad.shape == x.shape
    assert all(torch.equal(a, b) for a, b in zip(before, layer.buffers()))
    assert all(p.grad.abs().sum() == 0 for p in layer.parameters())
    assert layer.eval()(x).shape == x.shape


@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_nan_stays_in_its_group_and_image(method):
    layer = SwitchWhiten2d(8, statistics=('bw', 'iw'), group_size=4, inverse_sqrt=method)
    x = torch.randn(2, 8, 5, 5)
    clean = layer(x)
    layer.reset_running_stats()
    x[0, 1, 2, 2] = torch.nan
    y = layer(x)
    assert torch.isnan(y[:, :4]).all()  # the batch statistics carry it to the other image, as in BatchNorm
    torch.testing.assert_close(y[:, 4:], clean[:, 4:])
    assert layer.num_batches_skipped == 1 and (layer.running_cov == torch.eye(4)).all()  # it moves no statistics
    alone = SwitchWhiten2d(8, statistics=('iw',), group_size=4, inverse_sqrt=method)(x)
    assert torch.isnan(alone[0, :4]).all() and torch.isfinite(alone[1]).all() and torch.isfinite(alone[0, 4:]).all()


def test_far_from_zero_mean_keeps_its_digits():
    x = torch.randn(2, 32, 24, 24, dtype=torch.float64)
    x = x + 1000 * x.std() * torch.sign(torch.randn(32, 1, 1)).double()
    exact = SwitchWhiten2d(32, dtype=torch.float64)
    single = SwitchWhiten2d(32)
    grad = torch.randn_like(x)
    x64, x32 = x.clone().requires_grad_(), x.float().requires_grad_()
    # what fp32 can hold of x is the reference's input too
    x64.data = x32.detach().double()
    y64, y32 = exact(x64), single(x32)
    y64.backward(grad), y32.backward(grad.float())
    torch.testing.assert_close(y32.double(), y64, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(x32.grad.double(), x64.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('statistics', [('bw', 'iw'), ('bn', 'in', 'ln')], ids='+'.join)
def test_half_precision_input_is_computed_in_single(dtype, statistics):
    layer = SwitchWhiten2d(16, statistics=statistics)
    x = (torch.randn(2, 16, 8, 8) * 6e3).clamp(-6e4, 6e4).to(dtype)
    x[0, 0, 0, 0] = 6e4
    y, grad = step(layer, x)
    single = SwitchWhiten2d(16, statistics=statistics)(x.float())
    assert y.dtype == dtype and grad.dtype == dtype and torch.isfinite(y).all() and torch.isfinite(grad).all()
    torch.testing.assert_close(y, single.to(dtype))


def test_autocast_does_not_reach_inside():
    layer = SwitchWhiten2d(16)
    x = torch.randn(2, 16, 8, 8)
    plain = layer(x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(layer(x), plain)


@pytest.mark.parametrize(
    'arrange',
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.stack([x, x], -1)[..., 0],
    ],
    ids=['channels_last', 'transposed', 'strided'],
)
def test_memory_formats_give_the_same_values(arrange):
    x = torch.randn(2, 32, 5, 7)
    y, grad = step(SwitchWhiten2d(32), x)
    other_y, other_grad = step(SwitchWhiten2d(32), arrange(x))
    torch.testing.assert_close(other_y, y)
    torch.testing.assert_close(other_grad, grad)


def test_one_and_three_dimensions_are_the_same_layer():
    x = torch.randn(3, 16, 4, 6)
    expected = SwitchWhiten2d(16)(x)
    torch.testing.assert_close(SwitchWhiten1d(16)(x.flatten(2)).view_as(x), expected)
    torch.testing.assert_close(SwitchWhiten3d(16)(x.unsqueeze(2)).squeeze(2), expected)
    assert SwitchWhiten1d(16, statistics=('bw',))(torch.randn(8, 16)).shape == (8, 16)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(statistics=()), 'empty'),
        (dict(statistics=('bw', 'gn')), r"unknown statistics \['gn'\].*'ln'"),
        (dict(statistics=('bw', 'bw')), 'twice'),
        (dict(statistics='bw'), 'not a string'),
        (dict(group_size=24), r'does not divide 64 channels: one of \[1, 2, 4, 8, 16, 32, 64\]'),
        (dict(group_size=0), 'does not divide'),
        (dict(inverse_sqrt='svd'), "'newton', 'eigh'"),
        (dict(iterations=0), 'at least 1'),
        (dict(eps=0.0), 'eps must be positive'),
    ],
)
def test_bad_options_are_named_when_built(options, message):
    with pytest.raises(ValueError, match=message):
        SwitchWhiten2d(64, **options)


def test_a_typo_is_refused():
    with pytest.raises(TypeError, match='groupsize'):
        SwitchWhiten2d(64, groupsize=8)


@pytest.mark.parametrize(
    'x, message',
    [
        (torch.randn(2, 16, 4), r'4-d input, got shape \(2, 16, 4\)'),
        (torch.randn(2, 8, 4, 4), 'built for 16 channels'),
        (torch.ones(2, 16, 4, 4, dtype=torch.long), r'\.float\(\)'),
        (torch.randn(2, 16, 0, 4), 'without pixels'),
    ],
)
def test_bad_inputs_are_named(x, message):
    with pytest.raises(ValueError, match=message):
        SwitchWhiten2d(16)(x)


@pytest.mark.parametrize('channels', [10, 3, 7])
def test_standardising_statistics_take_any_number_of_channels(channels):
    layer = SwitchWhiten2d(channels, statistics=('bn', 'in', 'ln'))
    assert layer(torch.randn(2, channels, 3, 3)).shape == (2, channels, 3, 3)
    assert layer.running_cov.shape == (channels, 1, 1)
