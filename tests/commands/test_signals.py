"""A signal in the middle of a command keeps what is done, and leaves no half file."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running.outputs import Outputs

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.mark.parametrize('number', [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_predict_keeps_what_is_done(network, streets, tmp_path, number):
    images, out = tmp_path / 'images', tmp_path / 'out'
    images.mkdir()
    file = next((streets / 'cityscapes/leftImg8bit/val').rglob('*.png'))
    for index in range(1000):
        shutil.copy(file, images / f'{index:04d}.png')
    command = [sys.executable, 'tools/predict.py', *map(str, network), str(images), str(out)]
    process = subprocess.Popen(
        command,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # where the tests run in the background, a shell has told them to ignore Ctrl-C, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 120
    while len(list(out.glob('0*.png'))) < 5:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.002)
    process.send_signal(number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number and 'Stopped.' in text and 'Traceback' not in text
    written = sorted(out.glob('0*'))
    assert 8 < len(written) < 2000 and f'{sum("overlay" in f.name for f in written)} segmented, in {out}' in text
    for file in written:
        Image.open(file).load()
    assert {file.name for file in out.iterdir()} == {*(file.name for file in written), '.written_by_sw_mmseg'}
    Outputs(out, 'predict').refuse_existing([file.name for file in written])  # all are its own


def test_a_file_that_is_there_is_known_to_be_the_commands_own(tmp_path, monkeypatch):
    """Stopped in the very moment in which the file appears, the first time and over one of an earlier call."""
    outputs, replace = Outputs(tmp_path, 'predict'), os.replace

    def stopped(*words):
        replace(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', stopped)
    for content in ('first', 'second'):
        with pytest.raises(KeyboardInterrupt):
            outputs.write('a.png', content)
        outputs.refuse_existing(['a.png'])
        assert (tmp_path / 'a.png').read_text() == content
    monkeypatch.setattr(os, 'replace', lambda *words: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        outputs.write('a.png', 'third')
    outputs.refuse_existing(['a.png'])
    assert sorted(file.name for file in tmp_path.iterdir()) == ['.written_by_sw_mmseg', 'a.png']


def test_a_report_is_there_whole_or_as_it_was(tiny_config, run, tmp_path, monkeypatch, capsys):
    short = ('--cfg-options', 'train_cfg.max_iters=1')
    assert run('train', tiny_config('bn_sourceonly'), '--work-dir', tmp_path, *short) == 0
    words = ('report', tmp_path, '--pictures', 0)
    assert run(*words) == 0
    report, write = (tmp_path / 'report.html').read_bytes(), Path.write_bytes

    def half(path, content):
        write(path, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail('nobody takes the signal'))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Path, 'write_bytes', half)
            assert run(*words) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    assert 'Stopped.' in capsys.readouterr().err
    assert (tmp_path / 'report.html').read_bytes() == report and not list(tmp_path.glob('.*part*'))
    assert run(*words) == 0


def test_no_command_has_an_exit_status_of_its_own_for_a_signal():
    """Each of those that catch one: `running.training.stopped` knows which signal it was."""
    files = [*Path('sw_mmseg/commands').rglob('*.py'), *Path('sw_mmseg/studies').rglob('*.py')]
    catching = [file for file in files if 'training.Interrupted' in file.read_text()]
    assert len(catching) >= 7
    assert not [file for file in files if 'return 130' in file.read_text() or 'sys.exit' in file.read_text()]
