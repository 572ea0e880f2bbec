"""What a call on the Triton path costs the host: the counts are deterministic, and are held here."""

import importlib.util

import pytest
import torch

from sw_mmseg.benchmark import host_cost
from sw_mmseg.benchmark.norms import NORMS
from sw_mmseg.commands.benchmark import host_cost as command
from sw_mmseg.whitening import SwitchWhiten2d

pytestmark = pytest.mark.skipif(importlib.util.find_spec('triton') is None, reason='this torch comes without Triton')

# kernels of a training forward, of it with its backward, of an evaluation
KERNELS = {'BatchNorm2d': (0, 0, 0), 'SWa': (3, 6, 2), 'SWb': (3, 6, 2), 'BW': (3, 6, 1), 'IW': (3, 6, 2)}


@pytest.mark.parametrize('name', KERNELS)
def test_kernels(name, shape=host_cost.SHAPE):
    with host_cost.replaced() as started:
        counts = []
        for work in host_cost.steps(NORMS[name](32), torch.randn(shape)).values():
            started.clear()
            work()
            counts.append(len(started))
    assert tuple(counts) == KERNELS[name]


@pytest.mark.parametrize('shape', [(2, 32, 96, 96), (300, 32, 4, 4)], ids=['large', 'many images'])
@pytest.mark.parametrize('name', ['SWa', 'BW'])
def test_kernels_of_larger_activations(name, shape, monkeypatch):
    """Samples of many chunks, on a GPU of 132 processors, and batches of more images than each program pools."""
    from sw_mmseg.whitening.backends.triton import layer

    monkeypatch.setattr(layer, 'processors_of', lambda _: 132)
    test_kernels(name, shape)


def test_operations_are_those_asked_for_and_not_their_parts():
    x = torch.randn(2, 3)
    assert host_cost.operations(lambda: torch.nn.functional.linear(x, x).relu_().sum()) == 3


@pytest.mark.parametrize('name', ['SWa', 'SWb', 'BW'])
def test_the_layer_asks_torch_for_few_operations(name):
    """Its outputs and two buffers; in a step also what autograd does itself."""
    with host_cost.replaced():
        steps = host_cost.steps(NORMS[name](32), torch.randn(host_cost.SHAPE))
        counts = [host_cost.operations(work) for work in steps.values()]
    assert counts[0] <= 2 and counts[1] <= 13 and counts[2] <= 2


def test_the_command_tabulates_and_leaves_the_layer_as_it_was(one_thread, tmp_path, capsys):
    file = tmp_path / 'table.md'
    words = ['--rounds', '1', '--repeats', '1', '--markdown', str(file)]
    assert command.main(command.parse_arguments(words)) == 0
    rows = [line for line in file.read_text().splitlines() if line.startswith('| forward')]
    assert len(rows) == 12 and file.read_text() in capsys.readouterr().out
    assert torch.isfinite(SwitchWhiten2d(16)(torch.randn(2, 16, 3, 3))).all()
