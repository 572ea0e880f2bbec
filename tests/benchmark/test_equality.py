"""The check of a device: passes where the layer is right, and says where it is not."""

import pytest
import torch

from sw_mmseg.benchmark import equality
from sw_mmseg.commands.benchmark import equality as command
from sw_mmseg.whitening.autograd import function
from sw_mmseg.whitening.maths import Parameters

SMALL = [
    equality.Case('SWb', (3, 32, 6, 5)),
    equality.Case('SWa', (2, 32, 6, 5), dtype=torch.bfloat16, channels_last=True),
    equality.Case('BW', (2, 32, 6, 5), frozen=True),
]


def test_what_is_right_passes(one_thread, monkeypatch, tmp_path):
    monkeypatch.setattr(equality, 'CASES', SMALL)
    monkeypatch.setattr(equality, 'REPEATS', 1)
    file = tmp_path / 'table.md'
    assert command.main(command.parse_arguments(['--markdown', str(file)])) == 0
    rows = [line for line in file.read_text().splitlines() if line.endswith('|')][2:]
    assert len(rows) == 3 and all('passed' in row and 'equal' in row for row in rows)


@pytest.mark.parametrize(
    'fault, name, repeats', [(lambda: 1.001, 'dbias', True), (lambda: torch.rand(()), 'dbias', False)]
)
def test_what_is_wrong_fails(fault, name, repeats, monkeypatch):
    """A gradient of β that is off by a thousandth, or each time by another factor."""
    right = function.backward

    def wrong(dy, x, *arguments):
        grad_x, grads = right(dy, x, *arguments)
        if x.dtype is not torch.float64:
            grads = Parameters(grads.weight, grads.bias * fault(), *grads[2:])
        return grad_x, grads

    monkeypatch.setattr(function, 'backward', wrong)
    monkeypatch.setattr(equality, 'REPEATS', 2)
    outcome = equality.check(SMALL[0], 'cpu')
    assert not outcome.passed and outcome.repeats is repeats
    assert max(outcome.errors, key=outcome.errors.get) == name
