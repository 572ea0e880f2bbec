"""The benchmark of tuning: what learns is counted by hand, and every setting takes its steps."""

from importlib import import_module

import torch
from torch import nn


def test_what_learns_and_what_is_kept(one_thread, tmp_path):
    command, table = import_module('sw_mmseg.commands.benchmark.tuning_step'), tmp_path / 'table.md'
    words = ['--network', 'test_vit', '--size', '2', '32', '32', '--rounds', '1', '--threads', '1']
    words += ['--rank', '4', '--device', 'cpu']
    assert command.main(command.parse_arguments([*words, '--markdown', str(table)])) == 0
    rows = [line.split('|')[1:-1] for line in table.read_text().splitlines() if line.startswith('| ')][2:]
    assert [row[0].strip() for row in rows] == ['full', 'lora', 'rein', 'frozen']
    full, lora, rein, frozen = (int(row[1].replace(',', '')) for row in rows)
    width, hidden, blocks = 64, 192, 6  # of test_vit
    pairs = (width + 3 * width) + (width + width) + 2 * (width + hidden)  # qkv, proj, fc1 and fc2
    assert lora - frozen == blocks * 4 * pairs
    assert rein - frozen == blocks * 4 * (100 + width) + 2 * (width * width + width)
    assert full > lora > frozen


def test_what_is_kept_for_backward_is_counted_once():
    command = import_module('sw_mmseg.commands.benchmark.tuning_step')
    layer, x = nn.Linear(3, 5), torch.randn(7, 3)

    def step():
        (layer(x).sigmoid() + layer(x).tanh()).sum().backward()

    # x once, though two products keep it; the outputs of both functions; not the weight
    assert command.bytes_for_backward(layer, step) == 4 * (7 * 3 + 2 * 7 * 5)
