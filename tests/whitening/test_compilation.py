"""The layer under `torch.compile`: no graph break, changing sizes, autocast, and what the compiler gets to see."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d
from tests.helpers.slow_cases import slow

from .helpers.steps import CLOSE, assert_equal, step

OMEGAS = [PRESETS[name] for name in ('SWa', 'SWb', 'SN', 'BW', 'IW')]


def compiled(layer, **options):
    torch.compiler.reset()
    return torch.compile(layer, fullgraph=True, backend=options.pop('backend', 'aot_eager'), **options)


@pytest.mark.parametrize('method', ['newton', slow('eigh')])
@pytest.mark.parametrize('statistics', OMEGAS, ids='+'.join)
def test_compiled_without_a_break(statistics, method):
    """Three steps, whose running statistics are those of three steps not compiled; then evaluation."""
    plain = SwitchWhiten2d(16, statistics=statistics, inverse_sqrt=method)
    for parameter in plain.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    ours = copy.deepcopy(plain)
    program = compiled(ours)
    for _ in range(3):
        x, grad = torch.randn(2, 16, 6, 5), torch.randn(2, 16, 6, 5)
        assert_equal(step(program, x, grad), step(plain, x, grad), **CLOSE)
    ours.eval(), plain.eval()
    assert_equal(step(program, x, grad), step(plain, x, grad), **CLOSE)
    with torch.no_grad():
        torch.testing.assert_close(program(x), plain(x), **CLOSE)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_compiled_with_one_set_of_logits(training):
    """Its gradient is the sum of those that two sets of the same values have, in means and in covariances."""
    plain = SwitchWhiten2d(16)
    for parameter in plain.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    with torch.no_grad():
        plain.cov_logits.copy_(plain.mean_logits)
    tied = SwitchWhiten2d(16, tie_weights=True)
    tied.load_state_dict(plain.state_dict())
    plain.train(training), tied.train(training)
    x = 3 * torch.randn(2, 16, 6, 5) + torch.randn(2, 16, 1, 1)
    grad = torch.randn_like(x)
    for layer in (plain, compiled(tied)):
        layer(x).backward(grad)
    assert plain.mean_logits.grad.abs().max() > 0.1  # so that its absence would be seen
    torch.testing.assert_close(tied.mean_logits.grad, plain.mean_logits.grad + plain.cov_logits.grad, **CLOSE)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_compiled_with_sizes_that_change(training):
    plain = SwitchWhiten2d(16).train(training)
    ours = copy.deepcopy(plain)
    torch._dynamo.utils.counters.clear()
    program = compiled(ours, dynamic=True)
    shapes = [(2, 16, 6, 5), (3, 16, 7, 9), (5, 16, 4, 11)]
    for shape in shapes:
        x, grad = torch.randn(shape), torch.randn(shape)
        assert_equal(step(program, x, grad), step(plain, x, grad), **CLOSE)
    counters = torch._dynamo.utils.counters['stats']
    assert counters['unique_graphs'] <= 2  # one, and maybe one before sizes were known to change


def test_compiled_under_autocast_and_in_channels_last():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16), nn.ReLU(inplace=True))
    ours = copy.deepcopy(model)
    program = compiled(ours)
    x = torch.randn(2, 3, 9, 9).to(memory_format=torch.channels_last)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        y, expected = program(x), model(x)
    assert y.dtype == torch.bfloat16 and y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_compiled_calls_the_operators(training):
    """The compiler does not look into the computation, in either mode: forward and backward are one call each."""
    graphs = []

    def record(graph, inputs):
        graphs.append(graph.print_readable(print_output=False))
        return graph

    layer = SwitchWhiten2d(16).train(training)
    y = compiled(layer, backend=record)(torch.randn(2, 16, 6, 5, requires_grad=True))
    y.sum().backward()
    assert len(graphs) == 1
    assert graphs[0].count('torch.ops.sw_mmseg.switch_whiten.default(') == 1
    assert graphs[0].count('torch.ops.sw_mmseg.switch_whiten_backward.default(') == 1
    assert 'bmm' not in graphs[0]


@pytest.mark.slow  # compiles C++
def test_compiled_by_inductor():
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        SwitchWhiten2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        SwitchWhiten2d(16, statistics=PRESETS['SWb']),
    )
    ours = copy.deepcopy(model)
    program = compiled(ours, backend='inductor')
    for training in (True, True, False):
        ours.train(training), model.train(training)
        x, grad = torch.randn(2, 3, 12, 12), torch.randn(2, 16, 8, 8)
        assert_equal(step(program, x, grad), step(model, x, grad), rtol=1e-3, atol=1e-4)
        ours.zero_grad(), model.zero_grad()


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_the_backward_alone_is_compiled(method, training):
    """By compiled autograd, of a forward that ran as it is."""
    layer = SwitchWhiten2d(16, inverse_sqrt=method).train(training)
    x, grad = torch.randn(2, 16, 5, 5), torch.randn(2, 16, 5, 5)
    expected = step(copy.deepcopy(layer), x, grad)
    x.requires_grad_()
    loss = (layer(x) * grad).sum()
    with torch._dynamo.config.patch(compiled_autograd=True):
        torch.compile(lambda: loss.backward(), backend='aot_eager')()
    assert_equal([x.grad, *[parameter.grad for parameter in layer.parameters()]], expected[1:6], **CLOSE)
