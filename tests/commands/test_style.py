"""Style transfer from the command line: train, stop, go on, stylise, study, measure; mistakes in one line."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from sw_mmseg.running.command_line import run_tool
from sw_mmseg.stylization import StyleNetwork

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures('one_thread')
TINY = (
    'model.network.blocks=1',
    'model.style_size=32',
    'train_dataloader.batch_size=2',
    'train_dataloader.dataset.dataset.size=16',
    'default_hooks.logger.interval=1',
)


@pytest.fixture
def train(run, tmp_path):
    """`train(FOLDER, ITERATIONS, ...)` on five pictures -> exit status."""
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 256, (20, 24, 3), np.uint8)
        (tmp_path / 'contents').mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f'contents/{index}.png')

    def call(folder, iterations, *words, options=()):
        settings = [
            *TINY,
            f'model.style={tmp_path}/contents/0.png',
            f'train_cfg.max_iters={iterations}',
            f'train_dataloader.dataset.dataset.data_root={tmp_path}/contents',
            *options,
        ]
        return run(
            'train', 'configs/sw_style_streets.py', '--work-dir', tmp_path / folder, *words, '--cfg-options', *settings
        )

    return call


@pytest.fixture
def checkpoint(tmp_path):
    """As a training leaves it, of a network that does something."""
    network = StyleNetwork(dict(type='IW'), width=16, blocks=1, decoder='resize')
    state = {f'network.{key}': value for key, value in network.state_dict().items()}
    torch.save({'state_dict': {**state, 'gram_relu1_2': torch.zeros(1)}}, tmp_path / 'iter_1.pth')
    return tmp_path / 'iter_1.pth'


def test_a_resumed_training_is_that_of_one_go_bit_for_bit(train, tmp_path):
    interval = 'default_hooks.checkpoint.interval=2'
    assert train('whole', 4, options=[interval]) == 0
    assert (
        train('cut', 4, options=['default_hooks.checkpoint.interval=2', 'default_hooks.checkpoint.max_keep_ckpts=2'])
        == 0
    )
    (tmp_path / 'cut/last_checkpoint').write_text(str(tmp_path / 'cut/iter_2.pth'))
    (tmp_path / 'cut/iter_4.pth').unlink()
    assert train('cut', 4, '--resume', options=[interval]) == 0
    whole, cut = (torch.load(tmp_path / name / 'iter_4.pth', weights_only=False) for name in ('whole', 'cut'))
    assert whole['state_dict'].keys() == cut['state_dict'].keys()
    assert all(torch.equal(value, cut['state_dict'][key]) for key, value in whole['state_dict'].items())
    for key, state in whole['optimizer']['state'].items():
        assert all(torch.equal(value, cut['optimizer']['state'][key][name]) for name, value in state.items())


def test_samples_curves_half_precision_and_report(train, run, tmp_path):
    assert train('run', 2, '--amp', options=['custom_hooks.0.interval=1', 'custom_hooks.1.interval=1']) == 0
    (folder,) = (tmp_path / 'run').glob('*/vis_data')
    assert len(list(folder.glob('vis_image/stylised_*.png'))) == 2 and list(folder.glob('events.out.tfevents*'))
    records = [json.loads(line) for line in (folder / 'scalars.json').read_text().splitlines()]
    keys = set().union(*records)
    assert {'loss_content', 'loss_style', 'loss_variation'} <= keys
    assert 'ratios/network.encoder.0.1/cov/iw' in keys or any('encoder.0.1/cov/iw' in key for key in keys)
    (tmp_path / 'contents/0.png').rename(tmp_path / 'contents/other.png')  # the report needs the style no more
    assert run('report', tmp_path / 'run', '--pictures', 2) == 0
    text = (tmp_path / 'run/report.html').read_text()
    assert '<h2>In the style</h2>' in text and text.count('alt="content 2: run"') == 1 and 'content 3' not in text


def test_mistakes_of_training(train, run, tmp_path, capsys):
    cases = [
        (['model.style=data/none.jpg'], 'style picture data/none.jpg is missing'),
        (['model.style=drawn://oil'], 'there are drawn://strokes'),
        (['train_dataloader.dataset.dataset.data_root=data/none'], 'folder data/none of pictures is missing'),
        (['model.loss_network.checkpoint=none.pth'], 'no loss network none.pth'),
    ]
    for options, text in cases:
        assert train('bad', 1, options=options) == 2
        error = capsys.readouterr().err.strip().splitlines()
        assert error[-1].startswith('error: ') and text in error[-1], error


def test_stylise_pictures(run, checkpoint, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    (tmp_path / 'in/deep').mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / 'in/a.png')
    Image.fromarray(pixels[..., 0]).save(tmp_path / 'in/deep/a.png')
    assert run('stylize', checkpoint, tmp_path / 'in', tmp_path / 'out', '--alpha', 0) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'out/a.png.png')), pixels)
    assert Image.open(tmp_path / 'out/deep/a.png.png').size == (50, 40)
    for name, words in (('whole', []), ('tiled', ['--tile', 32]), ('half', ['--alpha', 0.5])):
        assert run('stylize', checkpoint, tmp_path / 'in/a.png', tmp_path / f'{name}.png', *words) == 0
    whole, tiled, half = (
        np.asarray(Image.open(tmp_path / f'{name}.png')).astype(int) for name in ('whole', 'tiled', 'half')
    )
    assert abs(whole - tiled).max() <= 1 and abs(whole - pixels).mean() > 20
    assert abs(half - (whole + pixels) / 2).max() <= 1
    assert not list(tmp_path.rglob('.*part*'))


def test_stylise_a_video(run, checkpoint, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'in.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (48, 32))
    for index in range(3):
        writer.write(np.full((32, 48, 3), 80 * index, np.uint8))
    writer.release()
    assert run('stylize', checkpoint, tmp_path / 'in.avi', tmp_path / 'out.avi', '--smooth', 0.9) == 0
    assert run('stylize', checkpoint, tmp_path / 'in.avi', tmp_path / 'same.avi', '--alpha', 0) == 0
    for name in ('out', 'same'):
        video, frames = cv2.VideoCapture(str(tmp_path / f'{name}.avi')), []
        assert video.get(cv2.CAP_PROP_FPS) == 10
        while (read := video.read())[0]:
            frames.append(read[1])
        assert len(frames) == 3 and frames[0].shape == (32, 48, 3)
    assert [round(frame.mean() / 80) for frame in frames] == [0, 1, 2]


def test_mistakes_of_stylising(run, checkpoint, tmp_path, capsys):
    (tmp_path / 'in').mkdir()
    Image.new('RGB', (8, 8)).save(tmp_path / 'in/good.png')
    (tmp_path / 'in/bad.png').write_text('no')
    (tmp_path / 'bad.mp4').write_text('no')
    (tmp_path / 'bad.mpg').write_text('no')
    (tmp_path / 'out.v2').mkdir()
    torch.save({'state_dict': {'a': torch.zeros(1)}}, tmp_path / 'other.pth')
    out = tmp_path / 'out'
    assert run('stylize', checkpoint, tmp_path / 'in', out) == 1
    assert re.search('1 of 2 could not be stylised: .*bad.png cannot be read', capsys.readouterr().err)
    for words, text in [
        ((checkpoint, tmp_path / 'in/bad.png', out), '1 of 1 could not be stylised: .*bad.png cannot'),
        ((checkpoint, tmp_path / 'in', tmp_path / 'in/out'), 'out lies in .*in, which is read'),
        ((checkpoint, tmp_path / 'in/good.png', tmp_path / 'in/good.png'), 'one of the files that are'),
        ((checkpoint, tmp_path / 'none', out), 'no such picture, folder or video'),
        ((checkpoint, tmp_path / 'bad.mp4', out), 'cannot be read as a video'),
        ((checkpoint, tmp_path / 'bad.mpg', out), 'cannot be read as a video'),
        ((checkpoint, tmp_path / 'bad.mp4', tmp_path / 'out.v2'), 'cannot be read as a video'),
        ((checkpoint, tmp_path / 'in', out, '--alpha', 2), '--alpha must lie in 0..1'),
        ((checkpoint, tmp_path / 'in', out, '--tile', 30), '--tile must be a multiple of 4'),
        ((checkpoint, tmp_path / 'in', out, '--smooth', 0.5), '--smooth is for videos'),
        ((checkpoint, tmp_path / 'in/good.png', tmp_path / 'a.psd'), 'a.psd: pictures cannot be written as .psd'),
        ((checkpoint, tmp_path / 'in/good.png', tmp_path / 'a.grib'), 'cannot be written as .grib'),
        ((tmp_path / 'other.pth', tmp_path / 'in', out), 'is no checkpoint of a'),
        ((tmp_path / 'none.pth', tmp_path / 'in', out), 'no checkpoint'),
    ]:
        assert run('stylize', *words) == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith('error: ') and re.search(text, line), line
    assert (out / 'good.png.png').is_file() and not (out / 'bad.png.png').exists()
    (out / 'good.png.png').write_text("the user's own")
    assert run('stylize', checkpoint, tmp_path / 'in', out) == 2 and '--overwrite' in capsys.readouterr().err
    assert (out / 'good.png.png').read_text() == "the user's own"


def test_drawn_styles_as_files(run, tmp_path, capsys):
    assert run('dataset_converters styles', tmp_path, '--size', 64, '--styles', 'mosaic') == 0
    assert Image.open(tmp_path / 'mosaic.png').size == (64, 64)
    assert run('dataset_converters styles', tmp_path, '--size', 8) == 2


@pytest.mark.slow
def test_study_from_end_to_end(streets, tmp_path, monkeypatch, capsys):
    pytest.importorskip('sklearn')
    tool = import_module('sw_mmseg.commands.analysis.style_study')
    monkeypatch.setattr(tool, 'draw_streets', lambda folder: Path(streets))
    monkeypatch.setattr(tool, 'DOCS', tmp_path / 'docs.md')
    monkeypatch.setattr(tool, 'IMAGES', tmp_path / 'images')
    monkeypatch.setattr(tool.styles, 'CELL', (48, 32))
    monkeypatch.setattr(tool.report, 'CELL', (48, 32))
    small = tool.styles.small_config

    def smaller(*words):
        config, options = small(*words)
        config.model.network.blocks, config.model.style_size = 1, 32
        config.train_dataloader.dataset.dataset.size = 16
        return config, options

    monkeypatch.setattr(tool.styles, 'small_config', smaller)
    (tmp_path / 'docs.md').write_text('# How\n\n<!-- study: x -->\nold\n<!-- end of study -->\n')
    words = ['--work-dir', tmp_path / 'out', '--iterations', 3, '--norms', 'bn', 'sw', '--seeds', 0, 1]
    call = [str(word) for word in words]
    assert run_tool(tool.main, tool.parse_arguments([*call, '--docs'])) == 0
    files = sorted((tmp_path / 'out/results').glob('*.json'))
    assert [file.stem for file in files] == [f'{n}_style_streets_seed{s}' for n in ('bn', 'sw') for s in (0, 1)]
    result = json.loads(files[2].read_text())
    assert len(result['losses']['style'][1]) == 3 and set(result['ratios']) == {
        f'{k}/{w}' for k in ('mean', 'cov') for w in ('bw', 'iw')
    }
    assert sum(result['ratios'][f'cov/{word}'][1][-1] for word in ('bw', 'iw')) == pytest.approx(1)
    text = (tmp_path / 'docs.md').read_text()
    assert 'old' not in text and '| SWa | sw_style_streets | 2 |' in text and '±' in text and '--seed N' in text
    for name in ('style_content.png', 'style_style.png', 'style_ratios_sw.png', 'style_sheet.jpg'):
        assert f'images/{name})' in text and (tmp_path / f'images/{name}').is_file()
    assert Image.open(tmp_path / 'out/style_sheet.jpg').size == (48 * 3, 26 + 32 * 4)
    capsys.readouterr()
    assert run_tool(tool.main, tool.parse_arguments(call)) == 0
    assert capsys.readouterr().out.count('done before') == 4


@pytest.mark.slow
def test_benchmark():
    done = subprocess.run(
        [
            sys.executable,
            'tools/benchmark/stylize.py',
            '--size',
            '64',
            '64',
            '--width',
            '16',
            '--rounds',
            '1',
            '--warmup',
            '0',
            '--threads',
            '1',
            '--norms',
            'SWa',
            '--tile',
            '32',
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    assert '| SWa' in done.stdout and 'Goal, at most 2.0: SWa' in done.stdout
