"""A disk without room, a folder that nobody may write to, a device in place of a file: a line, exit status 2, and what
was there is there still; no file is cut short."""

import argparse
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.stylization import StyleNetwork
from tests.helpers.disks import little_room
from tests.helpers.slow_cases import slow

pytestmark = pytest.mark.usefixtures('one_thread')
ROOM = 20_000  # bytes a file; configs that are read are copied into files too, of some thousand
# {n} config and checkpoint, {i} images, {v} a video, {s} a style's checkpoint, {o} where a command writes
CALLS = {
    'predict': 'predict {n} {i} {o}',
    'image_demo': 'image_demo {n} {i} {o}',
    'stylize': 'stylize {s} {i} {o}',
    'stylize_video': 'stylize {s} {v} {o}/styled.avi',
    'image_demo_video': 'image_demo {n} {v} {o}',
    'stylize_file': 'stylize {s} {i}/0.png {o}/styled.jpg',
    'styles': 'dataset_converters.styles {o} --size 256 --styles mosaic',
    'torchscript': 'export {n} {o}/network.pt',
    'onnx': 'export {n} {o}/network.onnx',
}
QUICK = ('predict', 'stylize_file', 'image_demo_video', 'torchscript')  # one of each way to write
ENDINGS = ('.png', '.jpg', '.avi', '.mp4', '.pt', '.onnx', '.pth', '.json')


@pytest.fixture(scope='module')
def given(network, tmp_path_factory):
    """Words of the calls: three pictures of noise, which no format makes small."""
    folder = tmp_path_factory.mktemp('given')
    (folder / 'images').mkdir()
    for index in range(3):
        Image.effect_noise((320, 240), 90).convert('RGB').save(folder / f'images/{index}.png')
    writer = cv2.VideoWriter(str(folder / 'drive.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (320, 240))
    for index in range(3):
        writer.write(np.random.default_rng(index).integers(0, 255, (240, 320, 3), np.uint8))
    writer.release()
    made = StyleNetwork(dict(type='IW'), width=16, blocks=1, decoder='resize')
    state = {f'network.{key}': value for key, value in made.state_dict().items()}
    torch.save({'state_dict': {**state, 'gram_relu1_2': torch.zeros(1)}}, folder / 'style.pth')
    files = {'i': folder / 'images', 'v': folder / 'drive.avi', 's': folder / 'style.pth'}
    return {'n': ' '.join(map(str, network)), **files}


def written(folder):
    """Results, and not the logs and records to which lines are added."""
    files = [path for path in folder.rglob('*') if path.suffix in ENDINGS and 'vis_data' not in path.parts]
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize('name', [name if name in QUICK else slow(name) for name in CALLS])
def test_a_full_disk(name, given, run, tmp_path, capsys):
    words = CALLS[name].format(**given, o=tmp_path / 'out').split()
    assert run(*words, '--overwrite') in (0, 1)  # without ONNX Runtime a network is exported, and not compared
    before = written(tmp_path / 'out')
    assert before and max(map(len, before.values())) > ROOM
    capsys.readouterr()
    with little_room(ROOM):
        assert run(*words, '--overwrite') == 2
    said = capsys.readouterr().err
    reason = 'is the disk full?' if 'video' in name else 'cannot be written: File too large'
    assert said.count('error: ') == 1 and reason in said and 'Traceback' not in said
    assert ' of 3 could not be' not in said  # the first one ends it
    after = written(tmp_path / 'out')
    assert after.keys() == before.keys()  # nothing is left beside them
    for path, content in after.items():
        assert content == before[path] or len(content) <= ROOM, path


@pytest.mark.parametrize('name', ['predict', 'stylize', 'torchscript'])
def test_a_folder_that_nobody_may_write_to(name, given, run, capsys):
    """The kernel makes no folder in /sys for anybody."""
    words = CALLS[name].format(**given, o='/sys/sw_mmseg').split()
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert said.count('error: ') == 1 and '/sys/sw_mmseg' in said and 'Traceback' not in said


@pytest.mark.parametrize('name', ['torchscript', 'stylize_file', 'stylize_video'])
def test_a_pipe_is_not_replaced(name, given, run, tmp_path, capsys):
    words = CALLS[name].format(**given, o=tmp_path).split()
    file = next(Path(word) for word in words if word.startswith(f'{tmp_path}/'))
    os.mkfifo(file)
    for more in ([], ['--overwrite']):
        assert run(*words, *more) == 2
        assert f'{file} is a pipe or a device' in capsys.readouterr().err
    assert file.is_fifo()


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='this system has no /dev/full')
def test_standard_output_that_takes_nothing(monkeypatch, capsys):
    """What was printed is tried again when the file is closed, as at the end of a process."""
    with open('/dev/full', 'w') as full:
        monkeypatch.setattr(sys, 'stdout', full)
        assert run_tool(lambda args: print('a result'), argparse.Namespace()) == 2
    said = capsys.readouterr().err
    assert said.strip() == 'error: a file cannot be written: No space left on device'
