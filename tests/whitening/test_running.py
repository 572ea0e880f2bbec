"""Running statistics: what moves them and what does not, in which precision they are kept, and layers without them."""

import copy
import io

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import (
    PRESETS,
    BatchWhiten2d,
    FullSwitchWhiten2d,
    SwitchNorm2d,
    SwitchWhiten1d,
    SwitchWhiten2d,
    fold,
)
from sw_mmseg.whitening.stored import running_of

from .helpers.steps import CLOSE, assert_equal, step

LAYERS = {'SWa': SwitchWhiten2d, 'SWb': FullSwitchWhiten2d, 'SN': SwitchNorm2d}


def buffers(layer):
    return {
        name: tensor.clone()
        for name, tensor in layer.state_dict().items()
        if name not in dict(layer.named_parameters())
    }


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('momentum', [0.1, None])
@pytest.mark.parametrize('value', [float('inf'), -float('inf'), float('nan'), 1e30], ids=str)  # the last's square is ∞
@pytest.mark.parametrize('name', LAYERS)
def test_a_batch_that_is_not_finite_moves_nothing(name, value, momentum):
    """One pixel of one channel. Afterwards the layer is where one is that never saw that batch."""
    layer = LAYERS[name](32, momentum=momentum)
    batches = [torch.randn(2, 32, 6, 5) + 1 for _ in range(3)]
    layer(batches[0])
    before, other = buffers(layer), copy.deepcopy(layer)
    spoilt = batches[1].clone()
    spoilt[1, 20, 3, 2] = value
    layer(spoilt)
    assert all(torch.equal(tensor, before[key]) for key, tensor in buffers(layer).items())
    assert (layer.num_batches_tracked, layer.num_batches_skipped) == (1, 1)
    for each in (layer, other):
        each(batches[2])
    assert_equal(buffers(layer).values(), buffers(other).values(), rtol=0, atol=0)
    assert layer.eval()(batches[0]).isfinite().all() and other.num_batches_skipped == 0


@pytest.mark.parametrize('backend', ['aot_eager', 'eager'])
def test_a_batch_that_is_not_finite_moves_nothing_compiled(backend):
    torch.compiler.reset()
    layer = SwitchWhiten2d(16)
    program = torch.compile(layer, fullgraph=True, backend=backend)
    program(torch.full((2, 16, 4, 4), torch.inf))
    assert (layer.num_batches_tracked, layer.num_batches_skipped) == (0, 1)
    assert torch.equal(layer.running_cov[0], torch.eye(16)) and (layer.running_mean == 0).all()


def test_batches_skipped_are_in_no_state_dict_and_are_forgotten_on_reset():
    """A counter of this process: checkpoints of either kind of layer load into the other's place."""
    layer = SwitchWhiten2d(16)
    layer(torch.full((2, 16, 4, 4), torch.nan))
    assert 'num_batches_skipped' not in layer.state_dict() and copy.deepcopy(layer).num_batches_skipped == 1
    layer.reset_running_stats()
    assert layer.num_batches_skipped == 0


CONVERSIONS = {
    'half': (lambda layer: layer.half(), torch.float16, torch.float32),
    'to(float16)': (lambda layer: layer.to(torch.float16), torch.float16, torch.float32),
    'bfloat16': (lambda layer: layer.bfloat16(), torch.bfloat16, torch.float32),
    'to(like)': (lambda layer: layer.to(torch.zeros(1, dtype=torch.bfloat16)), torch.bfloat16, torch.float32),
    'to(device, dtype)': (lambda layer: layer.to('cpu', torch.float16), torch.float16, torch.float32),
    'type': (lambda layer: layer.type(torch.float16), torch.float16, torch.float32),
    'a model': (lambda layer: nn.Sequential(layer).half()[0], torch.float16, torch.float32),
    'float': (lambda layer: layer.float(), torch.float32, torch.float32),
    'double': (lambda layer: layer.double(), torch.float64, torch.float64),
    'double, half': (lambda layer: layer.double().half(), torch.float16, torch.float32),
    'half, double': (lambda layer: layer.half().double(), torch.float64, torch.float64),
    'half, float': (lambda layer: layer.half().float(), torch.float32, torch.float32),
}


@pytest.mark.parametrize('name', CONVERSIONS)
def test_running_statistics_are_never_below_single_precision(name):
    """A variance of 9e6 and a mean of 1e5 are infinite in half precision."""
    convert, of_weight, of_running = CONVERSIONS[name]
    layer = SwitchWhiten2d(16, momentum=1.0)
    x = torch.randn(2, 16, 8, 8) * 3e3 + 1e5
    layer(x)
    before, expected = buffers(layer), layer.eval()(x)
    layer = convert(layer)
    assert layer.weight.dtype == layer.mean_logits.dtype == of_weight
    assert layer.running_mean.dtype == layer.running_cov.dtype == of_running
    assert layer.num_batches_tracked.dtype == torch.long
    assert_equal(
        [tensor.float() for tensor in buffers(layer).values()], [t.float() for t in before.values()], rtol=0, atol=0
    )
    assert layer.running_cov.amax() > 65504
    torch.testing.assert_close(layer(x).float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_a_layer_built_in_half_precision(dtype):
    layer = SwitchWhiten2d(16, dtype=dtype)
    assert layer.weight.dtype == dtype and layer.running_cov.dtype == layer.running_mean.dtype == torch.float32
    torch.set_default_dtype(dtype)
    try:
        layer = SwitchWhiten2d(16)
    finally:
        torch.set_default_dtype(torch.float32)
    assert layer.weight.dtype == dtype and layer.running_cov.dtype == torch.float32
    assert SwitchWhiten2d(16, dtype=torch.float64).running_cov.dtype == torch.float64


@pytest.mark.parametrize('assign', [False, True])
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64], ids=str)
def test_state_dicts_of_every_precision_load(dtype, assign):
    """Also those of a layer whose running statistics were in half precision."""
    layer = SwitchWhiten2d(16)
    layer(torch.randn(2, 16, 8, 8))
    saved = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in layer.state_dict().items()
    }
    stream = io.BytesIO()
    torch.save(saved, stream)
    stream.seek(0)
    other = SwitchWhiten2d(16)
    other.load_state_dict(torch.load(stream), assign=assign)
    assert other.running_cov.dtype == (torch.float64 if assign and dtype == torch.float64 else torch.float32)
    assert_equal(
        [tensor.double() for tensor in other.state_dict().values()],
        [tensor.double() for tensor in saved.values()],
        rtol=0,
        atol=0,
    )


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('statistics', [PRESETS['SWb'], PRESETS['IW'], ('bn',)], ids='+'.join)
def test_without_running_statistics_evaluation_takes_its_batch(statistics):
    """As torch's BatchNorm2d(track_running_stats=False) does."""
    layer = SwitchWhiten2d(16, statistics=statistics, track_running_stats=False)
    assert layer.running_mean is None and layer.running_cov is None and layer.num_batches_tracked is None
    assert ('track_running_stats=False' in repr(layer)) == (statistics != PRESETS['IW'])  # which never tracks
    x, grad = torch.randn(3, 16, 5, 6) + 2, torch.randn(3, 16, 5, 6)
    expected = step(SwitchWhiten2d(16, statistics=statistics), x, grad)[:6]
    assert_equal(step(copy.deepcopy(layer).train(), x, grad), expected, **CLOSE)
    assert_equal(step(copy.deepcopy(layer).eval(), x, grad), expected, **CLOSE)
    if statistics == ('bn',):
        twin = nn.BatchNorm2d(16, track_running_stats=False).eval()
        torch.testing.assert_close(layer.eval()(x), twin(x), **CLOSE)
        with pytest.raises(ValueError, match='more than one pixel in the whole batch'):
            layer(x[:1, :, :1, :1])


def test_without_running_statistics_it_is_diagnosed_on_its_batch_and_does_not_fold():
    layer, x = SwitchWhiten2d(16, track_running_stats=False), torch.randn(3, 16, 8, 8) + 2
    expected = layer.diagnose(x)
    assert torch.equal(layer.eval().diagnose(x).condition, expected.condition)
    with pytest.raises(ValueError, match='no running statistics .*track_running_stats=False'):
        fold(BatchWhiten2d(16, track_running_stats=False).eval())


def test_torchs_positions_are_refused_in_words():
    """In `nn.BatchNorm2d` the fifth argument is `track_running_stats`."""
    with pytest.raises(ValueError, match='track_running_stats by its name'):
        SwitchWhiten2d(16, 1e-5, 0.1, True, True)


def test_replacing_all_batchnorms_for_torch_func():
    """torch's own preparation for gradients of each image takes the running statistics away; then transforms work."""
    layer = SwitchWhiten2d(8, group_size=4, dtype=torch.float64)
    torch.func.replace_all_batch_norm_modules_(layer)
    images = torch.randn(3, 8, 4, 4, dtype=torch.float64)

    def loss(parameters, image):
        return torch.func.functional_call(layer, parameters, (image.unsqueeze(0),)).pow(3).sum()

    of_each_image = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(dict(layer.named_parameters()), images)
    for index, image in enumerate(images):
        layer.zero_grad()
        loss(dict(layer.named_parameters()), image).backward()
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(of_each_image[name][index], parameter.grad)


def test_a_checkpoint_with_running_statistics_loads_into_a_layer_without(caplog):
    layer = SwitchWhiten1d(16, track_running_stats=False)
    with caplog.at_level('INFO'):
        layer.load_state_dict(SwitchWhiten1d(16).state_dict())
    assert 'no running statistics in this layer' in caplog.text


@pytest.mark.parametrize('momentum', [0.3, None])
def test_without_a_count_of_batches_as_in_batchnorm(momentum):
    """Which others set to None: torch's norms move on, but for an average over all batches, which nobody can weigh."""
    ours = SwitchWhiten2d(16, statistics=('bn', 'in'), momentum=momentum)
    theirs = nn.BatchNorm2d(16, momentum=momentum)
    for layer in (ours, theirs):
        layer.num_batches_tracked = None
    for _ in range(3):
        x = torch.randn(4, 16, 5, 5) + 2
        ours(x), theirs(x)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_cov.flatten(), theirs.running_var)
    assert (ours.running_mean.abs().max() > 1) == (momentum is not None)
    assert ours.num_batches_tracked is None and (running_of(ours) is None) == (momentum is None)
    assert running_of(ours.eval()).mean is ours.running_mean  # not statistics of the batch, on a GPU
