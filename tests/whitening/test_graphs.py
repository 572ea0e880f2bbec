"""CUDA graphs: nothing in a layer's step keeps it from being recorded, and a recorded step is the eager one."""

import copy
import importlib.util

import pytest
import torch
from torch import nn

from sw_mmseg.benchmark import host_cost
from sw_mmseg.whitening import SwitchWhiten2d
from sw_mmseg.whitening.graphs import GraphedStep
from tests.helpers.recordable import Recordable

ALL = ('bw', 'iw', 'bn', 'in', 'ln')
DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize('work', [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.to('meta')])
def test_what_waits_is_refused(work):
    with pytest.raises(AssertionError, match='cannot be recorded'), Recordable():
        work(torch.randn(3))


@pytest.mark.skipif(importlib.util.find_spec('triton') is None, reason='this torch comes without Triton')
@pytest.mark.parametrize('momentum', [0.1, None])
@pytest.mark.parametrize('words', [('bw', 'iw'), ('bw',), ALL, ('bn', 'in')])
def test_a_step_on_the_triton_path_can_be_recorded(words, momentum):
    layer = SwitchWhiten2d(32, statistics=words, momentum=momentum)
    with host_cost.replaced() as started:
        for work in host_cost.steps(layer, torch.randn(2, 32, 4, 4)).values():
            started.clear()
            with Recordable():
                work()
            assert started


@pytest.mark.parametrize('words', [('bw', 'iw'), ALL])
def test_a_step_in_operations_of_torch_can_be_recorded(words):
    """As on a GPU that Triton does not serve."""
    layer = SwitchWhiten2d(32, statistics=words)
    for work in host_cost.steps(layer, torch.randn(2, 32, 4, 4)).values():
        with Recordable():
            work()


def made_step(network, device):
    network = network.to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)

    def step(images, labels):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(images).mean((2, 3)), labels)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return network, step


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('words', [('bw', 'iw'), ALL])
def test_a_recorded_step_is_the_eager_step(words, device):
    """Weights, running statistics and counters after eight batches, one of another size. On a CPU a graph is a fake,
    which computes on the inputs that it was recorded with, as a real one does."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16, statistics=words), nn.ReLU(), nn.Conv2d(16, 4, 1))
    eager, eager_step = made_step(copy.deepcopy(made), device)
    graphed, step = made_step(made, device)
    recorded = []

    def fake(step, inputs):
        recorded.append(inputs)
        loss = torch.zeros(())
        return lambda: loss.copy_(step(*inputs)), loss

    run = GraphedStep(step, device, recorder=fake if device == 'cpu' else None)
    for size in (4, 4, 4, 4, 2, 4, 4, 4):
        images, labels = torch.randn(size, 3, 8, 8, device=device), torch.randint(4, (size,), device=device)
        assert torch.allclose(run(images, labels), eager_step(images, labels), atol=1e-6)
    state = graphed.state_dict() | {'skipped': graphed[1].num_batches_skipped}
    assert int(state['1.num_batches_tracked']) == 8 and int(state['skipped']) == 0
    for name, value in eager.state_dict().items():
        assert torch.allclose(state[name], value, atol=1e-6), name
    assert len(recorded) == (device == 'cpu')


@pytest.mark.slow  # compiles
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('words', [('bw', 'iw'), ALL])
def test_a_step_compiled_to_reduce_overhead_is_the_eager_step(words, device):
    """Loss, weights, running statistics, counters. On a GPU torch records graphs of it; on a CPU it compiles alone."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16, statistics=words), nn.ReLU(), nn.Conv2d(16, 4, 1))
    eager, eager_step = made_step(copy.deepcopy(made), device)
    network, _ = made_step(made, device)
    torch.compiler.reset()
    _, step = made_step(torch.compile(network, mode='reduce-overhead', fullgraph=True), device)
    for _ in range(6):
        images, labels = torch.randn(4, 3, 8, 8, device=device), torch.randint(4, (4,), device=device)
        assert torch.allclose(step(images, labels), eager_step(images, labels), atol=1e-5)
    assert torch.allclose(network.eval()(images), eager.eval()(images), atol=1e-5)
    assert int(network.state_dict()['1.num_batches_tracked']) == 6
    for name, value in eager.state_dict().items():
        assert torch.allclose(network.state_dict()[name], value, atol=1e-5), name


def test_without_a_gpu_every_step_runs_as_it_is():
    run = GraphedStep(lambda x: x + 1, 'cpu')
    values = [run(torch.tensor(float(index))) for index in range(5)]
    assert values == [1, 2, 3, 4, 5]
