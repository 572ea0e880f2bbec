"""The converter of released models as a user calls it."""

import pytest
import torch
from released_networks import SITES, published_network, published_state


@pytest.fixture(scope='module')
def released(tmp_path_factory):
    """A file as training left it: weights under 'module.', counters and an optimiser's state beside them."""
    torch.manual_seed(0)
    network = published_network('resnet50')
    path = tmp_path_factory.mktemp('released') / 'resnet50_sw_best1.pth.tar'
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    torch.save({'epoch': 100, 'arch': 'resnet50', 'state_dict': published_state(network, 'resnet50'), 'prec1': 77.93,
                'optimizer': optimizer.state_dict()}, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def run(load_tool):
    tool = load_tool('model_converters/switchable_whitening')
    return lambda *words: tool.run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))


def test_a_released_file_becomes_a_checkpoint(run, released, tmp_path, capsys):
    out = tmp_path / 'new' / 'resnet50.pth'
    assert run(released, out) == 0
    printed = capsys.readouterr().out
    content = torch.load(out, weights_only=True)
    assert content['meta']['norms'] == SITES['resnet50'] and content['meta']['norm_cfg']['statistics'] == ['bw', 'iw']
    assert 'backbone.layer2.1.bn2.running_cov' in content['state_dict'] and 'head.fc.weight' in content['state_dict']
    assert 'resnet50: 327 entries converted' in printed and 'sw_resnet50released_imagenet.py' in printed
    assert run(released, out, '--arch', 'resnet50', '--layout', 'torchvision') == 0
    assert 'fc.weight' in torch.load(out, weights_only=True)['state_dict']


def test_what_is_wrong_is_one_line(run, released, tmp_path, capsys):
    out = tmp_path / 'out.pth'
    assert run(tmp_path / 'absent.pth', out) == 2
    assert 'no file' in capsys.readouterr().err
    assert run(released, out, '--arch', 'resnet101') == 2
    assert 'no SW layer layer3.7.sw2' in capsys.readouterr().err
    wrong = tmp_path / 'wrong.pth'
    state = torch.load(released, weights_only=True)['state_dict']
    torch.save({'state_dict': {**state, 'module.extra.weight': torch.ones(3)}}, wrong)
    assert run(wrong, out) == 2
    assert capsys.readouterr().err.endswith('has, unexpected, extra.weight\n')
    torch.save([1, 2], wrong)
    assert run(wrong, out) == 2
    assert 'holds no state dict, but a list' in capsys.readouterr().err
    wrong.write_bytes(b'not a checkpoint')
    assert run(wrong, out) == 2
    assert 'nothing else is read' in capsys.readouterr().err
    assert not out.exists()


class Touch:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_code_in_a_file_is_not_executed(run, tmp_path, capsys):
    bait, evil = tmp_path / 'executed', tmp_path / 'evil.pth'
    torch.save({'state_dict': {'module.sw1.weight': Touch(bait)}}, evil)
    assert run(evil, tmp_path / 'out.pth') == 2
    assert not bait.exists() and 'not a file of plain weights' in capsys.readouterr().err
