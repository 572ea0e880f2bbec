"""What evaluation keeps with batch statistics alone: computed once, and never used where it is no longer right."""

import copy
import io

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import SwitchWhiten2d, using_backend
from sw_mmseg.whitening.autograd import computation

from .helpers.steps import CLOSE

pytestmark = pytest.mark.usefixtures('kernels')


@pytest.fixture
def computed(monkeypatch):
    """A list that grows with every map that is computed."""
    calls, select = [], computation.select

    class Counting:
        def __init__(self, algebra):
            self._algebra = algebra

        def mix_to_affine(self, *arguments):
            calls.append(arguments)
            return self._algebra.mix_to_affine(*arguments)

        def __getattr__(self, name):
            return getattr(self._algebra, name)

    def counted(x, group_size):
        backend = select(x, group_size)
        if backend not in algebras:
            algebras[backend] = backend.algebra
        monkeypatch.setattr(backend, 'algebra', lambda settings: Counting(algebras[backend](settings)))
        return backend

    algebras = {}
    monkeypatch.setattr(computation, 'select', counted)
    return calls


def trained(statistics=('bw', 'bn')):
    layer = SwitchWhiten2d(8, statistics=statistics, group_size=4, momentum=1.0)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    layer(torch.randn(4, 8, 5, 5) * torch.logspace(-1, 1, 8).view(-1, 1, 1) + 1)
    return layer.eval()


def fresh(layer, x):
    """What a layer gives that remembers nothing."""
    with torch.no_grad():
        return copy.deepcopy(layer)(x)


X = torch.linspace(-2, 3, 400).view(2, 8, 5, 5)


@pytest.mark.parametrize('statistics', [('bw',), ('bn',), ('bn', 'bw')], ids='+'.join)
def test_computed_once(computed, statistics):
    layer = trained(statistics)
    computed.clear()
    outputs = [layer(X) for _ in range(3)]
    with torch.no_grad():
        outputs += [layer(X), layer(X[:1])]
    with torch.inference_mode():
        outputs += [layer(X), layer(X)]
    outputs += [layer(X)]
    assert len(computed) == 3  # once a mode of torch, which it is told apart by
    assert all(torch.equal(output[:1], outputs[0][:1]) for output in outputs)
    layer(X.clone().requires_grad_()).sum().backward()  # no tensor of inference mode is in the way


def test_statistics_of_the_image_are_never_kept(computed):
    layer = trained(('bw', 'iw'))
    computed.clear()
    layer(X), layer(X)
    assert len(computed) == 2


def half_of_the_state(layer):
    return {name: value / 2 for name, value in layer.state_dict().items()}


CHANGES = {
    'a step of an optimiser': lambda layer: nn.init.ones_(layer.weight),
    'through .data': lambda layer: layer.bias.data.add_(1),
    'a logit': lambda layer: layer.cov_logits.data.__setitem__(0, 3.0),
    'a buffer': lambda layer: layer.running_mean.add_(1),
    'a buffer through .data': lambda layer: layer.running_cov.data.mul_(2),
    'another buffer': lambda layer: setattr(layer, 'running_cov', 3 * layer.running_cov),
    'another parameter': lambda layer: setattr(layer, 'weight', nn.Parameter(2 * layer.weight.detach())),
    'load_state_dict': lambda layer: layer.load_state_dict(half_of_the_state(layer)),
    'load_state_dict, assigned': lambda layer: layer.load_state_dict(half_of_the_state(layer), assign=True),
    'a batch of training': lambda layer: (layer.train()(3 * X), layer.eval()),
    'double': lambda layer: layer.double().float().weight.data.mul_(2),
    'eps': lambda layer: setattr(layer, 'eps', 0.1),
    'iterations': lambda layer: setattr(layer, 'iterations', 1),
    'eigh': lambda layer: setattr(layer, 'inverse_sqrt', 'eigh'),
    'reset': lambda layer: layer.reset_parameters(),
}


@pytest.mark.parametrize('grad', [True, False])
@pytest.mark.parametrize('change', CHANGES)
def test_every_change_is_seen(change, grad):
    layer = trained()
    with torch.set_grad_enabled(grad):
        before = layer(X).detach()
        with torch.no_grad():
            CHANGES[change](layer)
        after = layer(X).detach()
    assert not torch.allclose(before, after, **CLOSE)
    assert torch.equal(after, fresh(layer, X))


def test_gradients_are_those_of_a_layer_that_keeps_nothing():
    layer = trained()
    layer(X)
    other = copy.deepcopy(layer)
    for one in (layer, other):
        x = X.clone().requires_grad_()
        one(x).square().sum().backward()
        one.of_input = x.grad
    assert torch.equal(layer.of_input, other.of_input)
    for ours, theirs in zip(layer.parameters(), other.parameters()):
        assert torch.equal(ours.grad, theirs.grad)


def test_copies_and_files_hold_none_of_it():
    layer = trained()
    layer(X)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for other in (copy.deepcopy(layer), torch.load(file, weights_only=False)):
        assert other._memory._kept is None and torch.equal(other(X), layer(X))
    assert not any('memory' in name for name in layer.state_dict())


def test_a_backend_does_not_take_the_map_of_another():
    layer = trained()
    outputs = []
    for choice in ('auto', 'torch', 'auto'):
        with using_backend(choice):
            outputs.append(layer(X))
            assert torch.equal(outputs[-1], fresh(layer, X))
    torch.testing.assert_close(outputs[0], outputs[1], **CLOSE)
