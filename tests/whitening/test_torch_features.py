"""The layer with the rest of torch: memory formats, checkpointing, copies, functional transforms."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.checkpoint import checkpoint

from sw_mmseg.whitening import PRESETS, SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d
from sw_mmseg.whitening.autograd import function

from .helpers.steps import CLOSE, assert_equal, step


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize('kind', [SwitchWhiten2d, SwitchWhiten3d])
def test_channels_last_stays_channels_last(kind, dtype, training):
    shape, form = (
        ((2, 32, 5, 7), torch.channels_last) if kind is SwitchWhiten2d else ((2, 32, 3, 4, 5), torch.channels_last_3d)
    )
    layer = kind(32).train(training)
    x, grad = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
    expected = step(copy.deepcopy(layer), x, grad)
    other = copy.deepcopy(layer)
    ours = step(other, x.to(memory_format=form), grad.to(memory_format=form))
    assert ours[0].is_contiguous(memory_format=form) and ours[1].is_contiguous(memory_format=form)
    assert expected[0].is_contiguous() and expected[1].is_contiguous()
    assert_equal(ours, expected, **(CLOSE if dtype != torch.bfloat16 else dict(rtol=1e-2, atol=1e-2)))
    with torch.no_grad():
        assert other(x.to(memory_format=form)).is_contiguous(memory_format=form)


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize(
    'arrange',
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.stack([x, x], -1)[..., 0],
        lambda x: x[:, :, :1].expand_as(x),
    ],
    ids=['channels_last', 'transposed', 'strided', 'expanded'],
)
def test_gradients_arrive_in_any_arrangement(arrange):
    x, grad = torch.randn(2, 32, 5, 7), arrange(torch.randn(2, 32, 5, 7))
    assert_equal(step(SwitchWhiten2d(32), x, grad), step(SwitchWhiten2d(32), x, grad.contiguous()), **CLOSE)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_a_second_derivative_is_refused(training):
    layer = SwitchWhiten2d(16).train(training)
    x = torch.randn(2, 16, 4, 4, requires_grad=True)
    (grad,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable|not differentiable|does not require grad'):
        grad.square().sum().backward()


def test_functional_transforms_are_refused_in_training_and_right_in_evaluation():
    """Gradients of each image: never silently those of something else."""
    layer = SwitchWhiten2d(8, group_size=4, dtype=torch.float64)
    images, grad = torch.randn(3, 8, 4, 4, dtype=torch.float64), torch.randn(8, 4, 4, dtype=torch.float64)

    def loss(parameters, image):
        return (torch.func.functional_call(layer, parameters, (image.unsqueeze(0),))[0] * grad).sum()

    def of_each_image():
        return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(dict(layer.named_parameters()), images)

    with pytest.raises(RuntimeError):
        of_each_image()  # in training, running statistics would have to move with every image
    layer.eval()
    gradients = of_each_image()
    for index, image in enumerate(images):
        layer.zero_grad()
        loss(dict(layer.named_parameters()), image).backward()
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(gradients[name][index], parameter.grad)


def test_gradient_checkpointing_as_with_batchnorm():
    """Gradients are the same; the forward that is repeated moves running statistics again, here and in BatchNorm."""
    plain = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16), nn.ReLU(), nn.BatchNorm2d(16))
    ours = copy.deepcopy(plain)
    x, grad = torch.randn(2, 3, 8, 8), torch.randn(2, 16, 6, 6)
    parameters = len(list(plain.parameters()))
    expected = step(plain, x, grad)[: 2 + parameters]

    x = x.clone().requires_grad_()
    y = checkpoint(ours, x, use_reentrant=False)
    y.backward(grad)
    assert_equal([y, x.grad, *[p.grad for p in ours.parameters()]], expected)
    assert ours[1].num_batches_tracked == ours[3].num_batches_tracked == 2
    assert plain[1].num_batches_tracked == plain[3].num_batches_tracked == 1


@pytest.mark.parametrize(
    'duplicate', [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=['deepcopy', 'pickle']
)
def test_copies_go_on_alone_and_alike(duplicate):
    layer = SwitchWhiten2d(16, statistics=PRESETS['SWb'], tie_weights=True, momentum=None, iterations=7, sync=False)
    layer(torch.randn(2, 16, 4, 4))
    other = duplicate(layer)
    assert repr(other) == repr(layer) and other.cov_logits is other.mean_logits
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x, grad = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
    moved = step(other, x, grad)
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())
    assert_equal(moved, step(layer, x, grad))


def test_a_saved_state_needs_no_code_to_load():
    """Also where the file holds an optimiser beside the layer, as of a run that goes on."""
    layer = SwitchWhiten2d(16)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(2, 16, 4, 4)).square().sum().backward()
    optimizer.step()
    stream = io.BytesIO()
    torch.save(dict(model=layer.state_dict(), optimizer=optimizer.state_dict()), stream)
    stream.seek(0)
    saved = torch.load(stream, weights_only=True)
    other = SwitchWhiten2d(16)
    other.load_state_dict(saved['model'])
    torch.optim.Adam(other.parameters()).load_state_dict(saved['optimizer'])
    assert_equal(other.state_dict().values(), layer.state_dict().values())


def test_built_on_the_meta_device():
    layer = SwitchWhiten2d(16, statistics=PRESETS['SWb'], device='meta')
    assert all(tensor.is_meta for tensor in layer.state_dict().values())
    layer = layer.to_empty(device='cpu')
    layer.reset_parameters()
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(layer(x), SwitchWhiten2d(16, statistics=PRESETS['SWb'])(x))


def test_weight_averaging_estimates_its_statistics():
    """torch's `update_bn` finds the layer: a plain mean over the batches of the new weights."""
    model = nn.Sequential(nn.Conv2d(3, 16, 1), SwitchWhiten2d(16))
    averaged = AveragedModel(model)
    loader = [torch.randn(4, 3, 5, 5) for _ in range(3)]
    model(loader[0])  # moves statistics that update_bn must forget
    update_bn(loader, averaged)
    layer = averaged.module[1]
    features = [model[0](x).transpose(0, 1).flatten(1) for x in loader]
    assert layer.num_batches_tracked == 3 and layer.momentum == 0.1
    torch.testing.assert_close(layer.running_mean, sum(f.mean(1) for f in features) / 3, **CLOSE)
    torch.testing.assert_close(layer.running_cov[0], sum(torch.cov(f) for f in features) / 3, **CLOSE)


def test_tracking_is_switched_off_for_a_while_as_in_batchnorm():
    for layer in (SwitchWhiten2d(16), nn.BatchNorm2d(16)):
        before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
        layer.track_running_stats = False
        layer(torch.randn(2, 16, 4, 4) + 3)
        assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())
        layer.track_running_stats = True
        layer(torch.randn(2, 16, 4, 4) + 3)
        assert layer.num_batches_tracked == 1 and (layer.running_mean > 0.1).all()


def test_parameters_in_half():
    """A layer converted whole, as by `model.bfloat16()`: still computed in single."""
    layer = SwitchWhiten2d(16).bfloat16()
    x = torch.randn(2, 16, 6, 6).bfloat16()
    y = layer(x)
    y.sum().backward()
    assert y.dtype == layer.weight.grad.dtype == torch.bfloat16 and layer.running_cov.dtype == torch.float32
    torch.testing.assert_close(y, SwitchWhiten2d(16)(x.float()).bfloat16())


def test_1d_without_pixels_axis_trains_and_evaluates():
    layer = SwitchWhiten1d(16, statistics=('bw', 'bn'))
    x, grad = torch.randn(40, 16), torch.randn(40, 16)
    twin = SwitchWhiten1d(16, statistics=('bw', 'bn'))
    for training in (True, False):
        flat = step(layer.train(training), x, grad)
        deep = step(twin.train(training), x.unsqueeze(-1), grad.unsqueeze(-1))
        assert_equal([flat[0], flat[1], *flat[2:]], [deep[0].squeeze(-1), deep[1].squeeze(-1), *deep[2:]], **CLOSE)


@pytest.mark.parametrize('statistics', [PRESETS[name] for name in ('SWa', 'SWb', 'SN', 'BW', 'IW')], ids='+'.join)
def test_nothing_is_tracked_where_that_is_switched_off(statistics):
    """As in BatchNorm, whose attribute it is: the batch normalises, and the running statistics stay."""
    layer = SwitchWhiten2d(16, statistics=statistics)
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    x = torch.randn(4, 16, 5, 5) + 3
    expected = copy.deepcopy(layer)(x)
    layer.track_running_stats = False
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=0)
    assert all(torch.equal(buffer, before[name]) for name, buffer in layer.named_buffers())


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('statistics', [('bw',), PRESETS['SWa'], PRESETS['SWb']], ids='+'.join)
def test_a_batch_of_training_between_evaluation_and_its_backward(statistics):
    """The gradient is that of the running statistics which the evaluation took."""
    layer = SwitchWhiten2d(16, statistics=statistics)
    layer(torch.randn(4, 16, 5, 5))
    x, grad = torch.randn(2, 16, 5, 5), torch.randn(2, 16, 5, 5)
    expected = step(copy.deepcopy(layer).eval(), x, grad)[1:6]
    x.requires_grad_()
    y = layer.eval()(x)
    with torch.no_grad():
        layer.train()(torch.randn(4, 16, 5, 5) + 3)
    y.backward(grad)
    assert_equal([x.grad, *[parameter.grad for parameter in layer.parameters()]], expected, **CLOSE)


def test_running_statistics_are_copied_for_a_gradient_alone(monkeypatch):
    layer, x, places = SwitchWhiten2d(16).eval(), torch.randn(2, 16, 5, 5), []
    forward = function.forward

    def observed(x, parameters, running, *arguments, **options):
        places.append(running.mean.data_ptr() == layer.running_mean.data_ptr())
        return forward(x, parameters, running, *arguments, **options)

    monkeypatch.setattr(function, 'forward', observed)
    layer(x)
    with torch.no_grad():
        layer(x)
    layer.requires_grad_(False)(x)
    assert places == [False, True, True]
