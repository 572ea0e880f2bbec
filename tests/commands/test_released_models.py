"""The converter of released models, and the table of their errors, as a user calls them."""

import re
from importlib import import_module

import cv2
import numpy as np
import pytest
import torch

from sw_mmseg.running.command_line import run_tool
from tests.helpers.released_networks import SITES, published_network, published_state


@pytest.fixture(scope='module')
def released(tmp_path_factory):
    """A file as training left it: weights under 'module.', counters and an optimiser's state beside them."""
    torch.manual_seed(0)
    network = published_network('resnet50')
    path = tmp_path_factory.mktemp('released') / 'resnet50_sw_best1.pth.tar'
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    torch.save(
        {
            'epoch': 100,
            'arch': 'resnet50',
            'state_dict': published_state(network, 'resnet50'),
            'prec1': 77.93,
            'optimizer': optimizer.state_dict(),
        },
        path,
        _use_new_zipfile_serialization=False,
    )
    return path


@pytest.fixture
def run():
    tool = import_module('sw_mmseg.commands.model_converters.switchable_whitening')
    return lambda *words: run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))


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
    torch.save({'state_dict': state}, wrong)
    content = bytearray(wrong.read_bytes())
    content[len(content) // 2] ^= 4
    wrong.write_bytes(content)
    assert run(wrong, out) == 2
    assert 'is damaged: the checksum of' in capsys.readouterr().err
    wrong.write_bytes(content[:400] + content[:400])  # torch's reader of archives says 'Invalid argument' alone
    assert run(wrong, out) == 2
    assert 'wrong.pth is cut short or damaged' in capsys.readouterr().err
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


@pytest.fixture
def measure():
    tool = import_module('sw_mmseg.commands.analysis.released_error')
    return lambda *words: run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))


def test_expected_error_stands_beside_the_measured(run, measure, released, tmp_path, capsys):
    """On two images, of which one has the label that the network gives it."""
    checkpoint, root, work = tmp_path / 'converted.pth', tmp_path / 'imagenet', tmp_path / 'work'
    assert run(released, checkpoint) == 0
    common = ('--data-root', root, '--work-dir', work, '--batch-size', 2, '--workers', 0)
    assert measure(checkpoint, *common) == 2
    assert 'image-net.org' in capsys.readouterr().err
    (root / 'meta').mkdir(parents=True)
    (root / 'val').mkdir()
    network = published_network('resnet50')
    state = torch.load(released, weights_only=True)['state_dict']
    network.load_state_dict(
        {re.sub(r'sw(\d)\.', r'bn\1.', key.removeprefix('module.')): value for key, value in state.items()}
    )
    lines = []
    for index in range(2):
        image = np.random.default_rng(index).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        cv2.imwrite(str(root / 'val' / f'{index}.png'), image)
        rgb = torch.from_numpy(image[16:240, 16:240, ::-1].copy()).permute(2, 0, 1)[None] / 255
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        with torch.no_grad():
            order = network((rgb - mean) / std)[0].argsort(descending=True)
        lines.append(f'{index}.png {order[500 * index]}')
    (root / 'meta' / 'val.txt').write_text('\n'.join(lines))
    assert measure(checkpoint, *common) == 2  # too few classes to be ImageNet
    assert 'classes, not 1000' in capsys.readouterr().err
    option = 'test_dataloader.dataset.num_classes=None'
    assert measure(checkpoint, *common, '--cfg-options', option) == 0
    assert '| resnet50 | 22.07 | 6.04 | 50.00 | 50.00 | 27.93 |' in capsys.readouterr().out


def test_only_the_converters_checkpoints_are_measured(run, measure, released, tmp_path, capsys):
    assert measure(tmp_path / 'absent.pth') == 2
    assert 'no checkpoint' in capsys.readouterr().err
    assert measure(released) == 2
    assert "KeyError: 'meta'" in capsys.readouterr().err
    (tmp_path / 'empty.pth').touch()
    assert measure(tmp_path / 'empty.pth') == 2
    assert 'empty.pth is empty' in capsys.readouterr().err
    assert run(released, tmp_path / 'torchvision.pth', '--layout', 'torchvision') == 0
    assert measure(tmp_path / 'torchvision.pth') == 2
    assert 'in the layout mmpretrain' in capsys.readouterr().err
