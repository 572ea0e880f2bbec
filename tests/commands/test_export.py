"""export: one file with preprocessing in it, against torch, against mmseg's own prediction, and by the example."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from sw_mmseg.models.deployed import DeployedSegmentor, LooksAt
from sw_mmseg.running.export_formats import runner_of, save, torch_runner
from sw_mmseg.running.exporting import deployed, example_images, mean_iou
from sw_mmseg.running.prediction import build_pipeline, segment_pixels
from tests.helpers.absent import without

REPOSITORY = Path(__file__).resolve().parents[2]
WITHOUT_TORCH = without('torch', 'mmseg', 'mmengine', 'mmcv', 'sw_mmseg', 'PIL', 'cv2')
PIPELINE = (
    "[dict(type='LoadImage'), dict(type='Resize', scale=(640, 40), keep_ratio=True), "
    "dict(type='LoadLabels'), dict(type='PackSegInputs')]"
)


@pytest.fixture(scope='module', params=['bn', 'sw'])
def network(request, tiny_config, tmp_path_factory):
    """Config and checkpoint of a narrow VGG16, its statistics away from their start; it looks at 40 pixels."""
    folder = tmp_path_factory.mktemp('network')
    text = f"_base_ = '{tiny_config(f'{request.param}_adaptsegnet')}'\n"
    text += f'test_dataloader = dict(dataset=dict(pipeline={PIPELINE}))\n'
    config = folder / 'network.py'
    config.write_text(text)
    torch.manual_seed(4)
    model = MODELS.build(Config.fromfile(config).model)
    for _ in range(3):
        model.segmentor(20 * torch.randn(2, 3, 48, 64), mode='tensor')
    for parameter in model.segmentor.decode_head.parameters():  # so that the classes differ from place to place
        parameter.data.normal_()
        if parameter.dim() > 1:
            parameter.data -= parameter.data.mean(1, keepdim=True)
        else:
            parameter.data.zero_()
    torch.save({'state_dict': model.state_dict()}, folder / 'network.pth')
    return config, folder / 'network.pth'


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Two images of different sizes, one of them upright."""
    folder, rng = tmp_path_factory.mktemp('pictures'), np.random.default_rng(2)
    for name, size in (('wide', (60, 90, 3)), ('upright', (110, 70, 3))):
        small = rng.integers(0, 256, (6, 9, 3), np.uint8)
        Image.fromarray(small).resize(size[1::-1], Image.BILINEAR).save(folder / f'{name}.png')
    return folder


@pytest.mark.parametrize('ending', ['onnx', 'pt'])
def test_the_file_gives_what_the_network_gives(network, pictures, run, tmp_path, capsys, ending):
    config, checkpoint = network
    out = tmp_path / 'sub' / f'network.{ending}'
    assert run('export', config, checkpoint, out, '--images', pictures) == 0
    printed = capsys.readouterr().out
    assert 'at 70x110: largest difference' in printed and 'at 90x60: largest difference' in printed
    meta = json.loads(out.with_suffix('.json').read_text())
    assert len(meta['classes']) == len(meta['palette']) == 19
    labels, logits = runner_of(out, {'pt': 'torchscript'}.get(ending, ending))(np.zeros((1, 45, 50, 3), np.uint8))
    assert labels.shape == (1, 45, 50) and logits.shape == (1, 19, 45, 50)
    assert run('export', config, checkpoint, out) == 0  # its own files may be written again
    out.with_suffix('.json').unlink()
    (tmp_path / 'other.json').write_text('{}')
    assert run('export', config, checkpoint, tmp_path / f'other.{ending}') == 2
    assert run('export', config, checkpoint, tmp_path / 'new.json', '--format', 'onnx') == 2
    assert 'the names of classes go into a file of that name' in capsys.readouterr().err


def test_it_is_what_predict_gives(network, pictures):
    """Through mmseg's pipeline and its reader, whose resizing rounds in fixed point: nearly all pixels agree."""
    config = Config.fromfile(network[0])
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(network[1])['state_dict'])
    pipeline = build_pipeline(config.test_dataloader.dataset.pipeline, from_file=False)
    module = deployed(config, model)
    for file in sorted(pictures.iterdir()):
        image = np.asarray(Image.open(file))
        expected = segment_pixels(model, pipeline, np.ascontiguousarray(image[..., ::-1]))
        with torch.no_grad():
            labels, logits = module(torch.from_numpy(image.copy())[None])
        assert labels.shape == (1, *image.shape[:2]) and logits.shape[1] == 19
        assert len(np.unique(expected)) > 1 and (labels[0].numpy() == expected).mean() > 0.98


@pytest.mark.parametrize(
    'looks_at, size, expected',
    [
        (LooksAt(640, 40, True), (60, 90), (40, 60)),
        (LooksAt(640, 40, True), (110, 70), (63, 40)),  # 62.86
        (LooksAt(100, 80, True), (50, 200), (25, 100)),  # the long side is the bound
        (LooksAt(100, 80, True), (3, 8), (38, 100)),  # 37.5, rounded half up
        (LooksAt(64, 48, False), (110, 70), (48, 64)),
    ],
)
def test_sizes_are_those_of_mmcv(looks_at, size, expected):
    import mmcv

    assert tuple(int(n) for n in looks_at.size(torch.zeros(1, *size, 3))) == expected
    if looks_at.keep_ratio:
        width, height = mmcv.rescale_size(size[::-1], (looks_at.long, looks_at.short))
        assert (height, width) == expected


def test_layers_fold_where_their_ratios_allow(network, run, tmp_path, capsys):
    config, checkpoint = network
    if 'sw_adaptsegnet' in config.read_text():
        assert run('export', config, checkpoint, tmp_path / 'plain.pt') == 0
        assert '0 of 5 switchable layers folded' in capsys.readouterr().out
        assert run('export', config, checkpoint, tmp_path / 'folded.pt', '--fold', 0.6) == 0
        assert '5 of 5 switchable layers folded' in capsys.readouterr().out
    else:
        assert run('export', config, checkpoint, tmp_path / 'plain.pt') == 0
        assert 'switchable' not in capsys.readouterr().out


def test_two_sizes_are_found_or_made():
    same = [np.zeros((80, 100, 3), np.uint8)] * 3
    assert [image.shape for image in example_images(same)] == [(1, 80, 100, 3), (1, 70, 75, 3)]
    assert [image.shape[1:3] for image in example_images([])] == [(96, 128), (84, 96)]


def test_the_example_of_the_docs_reads_an_image_and_writes_labels(network, pictures, run, tmp_path):
    assert run('export', *network, tmp_path / 'network.onnx') == 0
    text = (REPOSITORY / 'docs' / 'export.md').read_text()
    (tmp_path / 'example.py').write_text(text.split('```python\n')[1].split('```')[0])
    with Image.open(pictures / 'wide.png') as image:
        image.save(tmp_path / 'image.ppm')
        expected = np.asarray(image)
    (tmp_path / 'sitecustomize.py').write_text(WITHOUT_TORCH)
    environment = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    subprocess.run([sys.executable, 'example.py'], cwd=tmp_path, check=True, timeout=120, env=environment)
    gone = subprocess.run([sys.executable, '-c', 'import torch'], capture_output=True, env=environment)
    assert gone.returncode == 1 and b'No module named' in gone.stderr
    labels = np.asarray(Image.open(tmp_path / 'labels.pgm'))
    config = Config.fromfile(network[0])
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(network[1])['state_dict'])
    with torch.no_grad():
        here = deployed(config, model)(torch.from_numpy(expected.copy())[None])[0][0].numpy()
    assert labels.shape == here.shape and (labels == here).mean() > 0.999


class Pixels(torch.nn.Module):
    """In place of a network: its input."""

    align_corners, backbone, decode_head = False, torch.nn.Identity(), torch.nn.Identity()


def test_scaling_is_that_of_torch_where_greys_fall_between(tmp_path):
    model = DeployedSegmentor(Pixels(), [0.0] * 3, [1.0] * 3, looks_at=LooksAt(64, 48, False))
    save(model, tmp_path / 'pixels.onnx', 'onnx')
    image = np.random.default_rng(0).integers(0, 256, (1, 96, 120, 3), np.uint8)  # ratios of 2 and 1.875: many halves
    pixels, expected = (run(image)[1] for run in (runner_of(tmp_path / 'pixels.onnx', 'onnx'), torch_runner(model)))
    np.testing.assert_allclose(pixels, expected, atol=1e-2)  # of 255


@pytest.mark.slow
def test_a_program_of_torch_export_takes_one_size(network, pictures, run, tmp_path, capsys):
    out = tmp_path / 'network.pt2'
    assert run('export', *network, out) == 2
    assert '--size WxH goes with torch-export' in capsys.readouterr().err
    assert run('export', *network, out, '--size', '90x60', '--images', pictures) == 0
    printed = capsys.readouterr().out
    assert 'network.pt2 at 90x60: largest difference' in printed and '70x110' not in printed
    assert '(1, 60, 90, 3)' in json.loads(out.with_suffix('.json').read_text())['input']
    with torch.no_grad():
        labels, _ = torch.export.load(out).module()(torch.zeros(1, 60, 90, 3, dtype=torch.uint8))
    assert labels.shape == (1, 60, 90)
    assert run('export', *network, out, '--size', '48x48', '--score', '--overwrite') == 0  # of images of 64x32
    printed = capsys.readouterr().out
    scores = dict(re.findall(r'^(\S+): ([\d.]+) mIoU$', printed, re.MULTILINE))
    assert 'mean IoU at 48x48' in printed and set(scores) == {'torch', 'network.pt2'}
    assert abs(float(scores['torch']) - float(scores['network.pt2'])) < 0.1


def test_int8_stands_beside_fp32_with_its_score(network, pictures, run, tmp_path, capsys):
    out = tmp_path / 'network.onnx'
    assert run('export', *network, out, '--int8') == 2
    assert 'ranges of values from --images' in capsys.readouterr().err
    assert run('export', *network, out, '--int8', '--images', pictures, '--score') == 0
    printed = capsys.readouterr().out
    scores = dict(re.findall(r'^(\S+): ([\d.]+) mIoU$', printed, re.MULTILINE))
    assert set(scores) == {'torch', 'network.onnx', 'network.int8.onnx'}
    assert abs(float(scores['torch']) - float(scores['network.onnx'])) < 0.1
    nodes = onnx.load(tmp_path / 'network.int8.onnx').graph.node
    assert 'If' not in [node.op_type for node in nodes]
    whole = {name for node in nodes if node.op_type == 'DequantizeLinear' for name in node.output}
    convolutions = [set(node.input) for node in nodes if node.op_type == 'Conv']
    assert len(convolutions) > 10 and all(inputs <= whole for inputs in convolutions)  # images, weights and biases
    assert 'network.int8.onnx at 90x60: largest difference' in printed


def test_mean_iou_is_what_a_hand_counts():
    labels = np.array([[0, 0, 1], [1, 255, 1]])
    predicted = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    # class 0: 1 of 3, class 1: 2 of 4, class 2 is nowhere
    score = mean_iou(lambda _: (predicted[None], None), [(None, labels)], 3)
    assert score == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)


def test_weights_of_the_package_look_at_images_as_predict_does(pictures, run, tmp_path):
    assert run('export', '--model', 'streets', tmp_path / 'streets.onnx', '--images', pictures) == 0
    assert run('predict', '--model', 'streets', pictures, tmp_path / 'predicted') == 0
    for name in ('wide', 'upright'):
        image = np.asarray(Image.open(pictures / f'{name}.png'))
        labels, _ = runner_of(tmp_path / 'streets.onnx', 'onnx')(image[None])
        assert (labels[0] == np.asarray(Image.open(tmp_path / f'predicted/{name}.png'))).mean() > 0.9  # of noise


def test_what_cannot_be_exported_is_said(network, run, tmp_path, capsys):
    assert run('export', *network, tmp_path / 'network.bin') == 2
    assert 'give --format' in capsys.readouterr().err
    assert run('export', *network, tmp_path / 'a.pt', '--cfg-options', 'model.segmentor.test_cfg.mode=slide') == 2
    assert 'predicts in windows' in capsys.readouterr().err
