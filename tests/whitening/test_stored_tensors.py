"""What a layer holds, where it is not what compiled code expects, which is given addresses and sizes: tensors on the
meta device or another one than the input, torch's zeros without memory, other shapes, options set to anything. Each is
refused, or made ready, before that code runs."""

import copy
import re

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from sw_mmseg.whitening import BatchWhiten2d, SwitchWhiten1d, SwitchWhiten2d, convert

from .helpers.steps import CLOSE, assert_equal, step


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('kind', [SwitchWhiten2d, BatchWhiten2d])
@pytest.mark.parametrize(
    'name', ['weight', 'bias', 'mean_logits', 'cov_logits', 'running_mean', 'running_cov', 'num_batches_skipped']
)
def test_a_tensor_of_the_layer_elsewhere_than_the_input(name, kind, training):
    """The meta device stands for a GPU: of either the C code would read nothing, or what is not there."""
    layer = kind(16).train(training)
    tensor = getattr(layer, name).to('meta')
    setattr(layer, name, nn.Parameter(tensor) if name in layer._parameters else tensor)
    with pytest.raises(RuntimeError, match=f'{kind.__name__} has its {name} on meta and got an input on cpu'):
        layer(torch.randn(2, 16, 4, 4))


def test_an_input_elsewhere_than_the_layer():
    with pytest.raises(RuntimeError, match=r'weight on cpu and got an input on meta: move one of them with \.to\(\)'):
        SwitchWhiten2d(16)(torch.randn(2, 16, 4, 4, device='meta'))


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize(
    'name, shape',
    [
        ('weight', (8,)),
        ('weight', (4, 4)),
        ('bias', (1,)),
        ('mean_logits', (1,)),
        ('cov_logits', (3,)),
        ('running_mean', (8,)),
        ('running_cov', (1, 8, 8)),
    ],
)
def test_a_tensor_of_another_shape(name, shape, training):
    layer, x = SwitchWhiten2d(16).train(training), torch.randn(2, 16, 4, 4)
    with pytest.raises(RuntimeError, match=re.escape(f'has a {name} of shape {shape}, where 16 channels')):
        torch.func.functional_call(layer, {name: torch.ones(shape)}, (x,))
    torch.testing.assert_close(layer(x), SwitchWhiten2d(16).train(training)(x))


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize(
    'name, value, error, message',
    [
        ('group_size', 8, RuntimeError, r'running_cov of shape \(1, 16, 16\).*groups of 8.*ask for \(2, 8, 8\)'),
        ('group_size', 5, ValueError, 'group_size=5 does not divide 16 channels'),
        ('statistics', ('bw', 'iw', 'ln'), RuntimeError, r'mean_logits of shape \(2,\).*ask for \(3,\)'),
        ('iterations', 0, ValueError, 'at least 1'),
        ('eps', -1.0, ValueError, 'eps must be positive'),
        ('inverse_sqrt', 'Newton', ValueError, "unknown inverse_sqrt 'Newton'"),
    ],
)
def test_an_option_that_was_set_to_what_does_not_fit(name, value, error, message, training):
    layer = SwitchWhiten2d(16).train(training)
    setattr(layer, name, value)
    with pytest.raises(error, match=message):
        layer(torch.randn(2, 16, 4, 4))


@pytest.mark.filterwarnings('ignore:Accessing the data pointer')
def test_a_fake_parameter_is_no_absent_one():
    layer = SwitchWhiten2d(16)
    with FakeTensorMode():
        layer.weight = nn.Parameter(torch.ones(16))
    with pytest.raises(RuntimeError, match='without memory'):
        layer(torch.randn(2, 16, 4, 4))


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_a_gradient_of_zeros_without_memory(training):
    """torch hands it on behind functions whose slope is zero everywhere, such as `sgn`."""
    layer = SwitchWhiten2d(16).train(training)
    x = torch.randn(2, 16, 5, 5, requires_grad=True)
    layer(x).sgn().sum().backward()
    assert (x.grad == 0).all() and all((parameter.grad == 0).all() for parameter in layer.parameters())


@pytest.mark.usefixtures('kernels')
def test_an_input_of_zeros_without_memory():
    layer, zeros = SwitchWhiten2d(16), torch._efficientzerotensor((2, 16, 5, 5))
    with torch.no_grad():
        layer.bias.copy_(torch.arange(16.0))
    torch.testing.assert_close(layer(zeros), torch.arange(16.0).view(1, 16, 1, 1).expand(2, 16, 5, 5))


NEGATED = ('input', 'gradient', 'weight', 'bias', 'mean_logits')


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('name', NEGATED)
def test_a_view_whose_values_count_as_negated(name, training):
    """As torch makes of the imaginary part of a conjugate: memory holds the values of the other sign."""
    layer = SwitchWhiten2d(16).train(training)
    tensors = dict(zip(NEGATED, (torch.randn(2, 16, 5, 5), torch.randn(2, 16, 5, 5), *torch.randn(2, 16))))
    tensors['mean_logits'] = torch.randn(2)
    results = []
    for negate in (torch._neg_view, torch.neg):
        ours = {**tensors, name: negate(tensors[name])}
        leaves = [ours[word].detach().requires_grad_() for word in NEGATED if word != 'gradient']
        learned = dict(zip(NEGATED[2:], leaves[1:]))
        y = torch.func.functional_call(copy.deepcopy(layer), learned, (leaves[0],))
        results.append([y, *torch.autograd.grad(y, leaves, ours['gradient'])])
    assert_equal(*results, **CLOSE)


@pytest.mark.parametrize(
    'layout, message',
    [
        (lambda x: x.to_sparse(), 'a dense input, got torch.sparse_coo'),
        (lambda x: x.to_mkldnn(), 'a dense input, got torch._mkldnn'),
        (lambda x: torch.nested.as_nested_tensor(list(x), layout=torch.jagged), 'a dense input, got a nested tensor'),
        (lambda x: x.to(torch.float8_e4m3fn), '16 bits or more, got torch.float8_e4m3fn'),
        (lambda x: x.to(torch.complex64), '16 bits or more, got torch.complex64'),
    ],
    ids=['sparse', 'mkldnn', 'nested', 'float8', 'complex'],
)
def test_inputs_of_another_form_are_named(layout, message):
    with pytest.raises(ValueError, match=message):
        SwitchWhiten1d(16)(layout(torch.randn(4, 16, 3)))


def built_on_meta(options):
    with torch.device('meta'):
        return nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16, **options))


@pytest.mark.parametrize('options', [{}, dict(tie_weights=True), dict(statistics=('bw', 'iw', 'bn', 'in', 'ln'))])
def test_a_batchnorm_is_loaded_into_a_layer_without_values(options):
    """What the checkpoint has not, equal ratios and a count of none skipped, the layer has as if it had been built on
    the CPU: `assign=True` puts there what is given, and nothing else."""
    source = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16))
    source(torch.randn(4, 3, 8, 8))
    expected = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16, **options))
    expected.load_state_dict(source.state_dict())
    model = built_on_meta(options)
    model.load_state_dict(copy.deepcopy(source.state_dict()), assign=True)
    model = model.to('cpu')  # refuses what has no values
    assert model[1].num_batches_skipped == 0 and (model[1].cov_logits == 1).all()
    for training in (True, False):
        x, grad = torch.randn(2, 3, 8, 8), torch.randn(2, 16, 6, 6)
        assert_equal(step(model.train(training), x, grad), step(expected.train(training), x, grad), **CLOSE)


def test_a_converted_model_without_values():
    with torch.device('meta'):
        model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16))
    convert(model)
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    source = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16))
    model.load_state_dict(source.state_dict(), assign=True)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model.to('cpu')(x), source(x))


def test_memory_given_later_counts_no_batch():
    """`to_empty` leaves what was in that memory, which no state dict replaces here."""
    junk = [torch.full((), 7, dtype=torch.long) for _ in range(64)]
    del junk
    layers = [SwitchWhiten2d(16, device='meta').to_empty(device='cpu') for _ in range(16)]
    assert all(layer.num_batches_skipped == 0 for layer in layers)
