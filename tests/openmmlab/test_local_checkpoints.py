"""A checkpoint is data: what mmengine writes comes back, what is damaged is named, and nothing in it is run."""

import os
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg import files
from sw_mmseg.openmmlab import CheckpointError, load_local_checkpoint, trusting


class Calls:
    """Its pickle names a function to be called."""

    def __init__(self, function, *words):
        self.function, self.words = function, words

    def __reduce__(self):
        return self.function, self.words


@pytest.fixture
def saved(tmp_path):
    """A checkpoint as a training writes it, and its content."""
    content = {
        'state_dict': {'w': torch.arange(1000.0)},
        'meta': {'iter': 3, 'seed': 0, 'score': np.float64(2.5), 'classes': ('road', 'sky')},
        'message_hub': {'loss': HistoryBuffer([1.5, 2.5], [1, 1])},
    }
    torch.save(content, tmp_path / 'iter_1.pth')
    return str(tmp_path / 'iter_1.pth')


@pytest.mark.parametrize('load', [load_local_checkpoint, CheckpointLoader.load_checkpoint])
def test_what_a_training_writes_comes_back(load, saved):
    checkpoint = load(saved, map_location='cpu')
    assert checkpoint['message_hub']['loss'].mean() == 2.0 and checkpoint['message_hub']['loss'].max() == 2.5
    assert torch.equal(checkpoint['state_dict']['w'], torch.arange(1000.0)) and checkpoint['meta']['score'] == 2.5
    with pytest.raises(FileNotFoundError, match='iter_2.pth'):
        load(saved.replace('iter_1', 'iter_2'), map_location='cpu')


def test_a_checkpoint_that_was_written_without_checksums_is_read(saved):
    content = torch.load(saved, weights_only=False)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(content, saved)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(load_local_checkpoint(saved)['state_dict']['w'], torch.arange(1000.0))
    Path(saved).write_bytes(Path(saved).read_bytes()[:-100])
    with pytest.raises(CheckpointError, match='iter_1.pth is cut short or damaged'):
        load_local_checkpoint(saved)


@pytest.mark.parametrize('threads', [4, 0])
def test_a_flipped_bit_of_a_large_checkpoint_is_found_by_several_threads(threads, saved, monkeypatch):
    monkeypatch.setattr(files, 'LARGE', 1000)
    if not threads:
        monkeypatch.setattr(Thread, 'start', lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
    assert files.is_whole_archive(saved)
    content = bytearray(Path(saved).read_bytes())
    content[content.index(torch.arange(1000.0).numpy().tobytes()) + 2000] ^= 4
    Path(saved).write_bytes(content)
    with pytest.raises(CheckpointError, match='the checksum of iter_1/data/0 in it is wrong'):
        load_local_checkpoint(saved)


def test_a_flipped_bit_is_found_wherever_it_is(saved, tmp_path):
    content, damaged = Path(saved).read_bytes(), str(tmp_path / 'damaged.pth')
    for place in range(60, len(content) - 60, len(content) // 40):
        with open(damaged, 'wb') as file:
            file.write(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            checkpoint = load_local_checkpoint(damaged)
        except CheckpointError as error:
            assert damaged in str(error)
        else:  # it fell on bytes that fill up to a multiple of 64
            assert torch.equal(checkpoint['state_dict']['w'], torch.arange(1000.0))
    place = content.index(torch.arange(1000.0).numpy().tobytes()) + 2000
    with open(damaged, 'wb') as file:
        file.write(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    with pytest.raises(CheckpointError, match='damaged: the checksum of .* is wrong'):
        load_local_checkpoint(damaged)


@pytest.mark.parametrize(
    'content, message',
    [
        (lambda whole: b'', 'is empty'),
        (lambda whole: whole[: len(whole) // 2], 'cut short'),
        (lambda whole: whole[:-1], 'cut short'),
        (lambda whole: b'<html>not found</html>', 'no checkpoint that torch wrote'),
        (lambda whole: bytes(5000), 'no checkpoint that torch wrote'),
        (lambda whole: b'PK' + bytes(5000), 'cut short or damaged'),
    ],
)
def test_what_is_no_whole_checkpoint_is_named(content, message, saved, tmp_path):
    whole = Path(saved).read_bytes()
    (tmp_path / 'other.pth').write_bytes(content(whole))
    with pytest.raises(CheckpointError, match=message) as caught:
        load_local_checkpoint(str(tmp_path / 'other.pth'))
    assert 'other.pth' in str(caught.value)


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('load', [load_local_checkpoint, CheckpointLoader.load_checkpoint])
def test_nothing_in_it_is_run_unless_its_writer_is_trusted(load, legacy, tmp_path):
    path, trace = str(tmp_path / 'planted.pth'), tmp_path / 'ran'
    content = {'state_dict': {'w': torch.ones(1)}, 'more': Calls(os.mkdir, str(trace))}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match='mkdir.*--trust-checkpoint'):
        load(path, map_location='cpu')
    assert not trace.exists()
    with trusting():
        load(path, map_location='cpu')
    assert trace.exists()
    with pytest.raises(CheckpointError):
        load(path, map_location='cpu')


@pytest.mark.parametrize('buffer, name', [(HistoryBuffer, '__init__'), (HistoryBuffer, '__class__'), (dict, 'mean')])
def test_only_the_statistics_of_a_log_buffer_are_looked_up(buffer, name, tmp_path):
    """Any attribute of any object would lead to functions that run anything."""
    torch.save({'more': Calls(getattr, buffer, name)}, tmp_path / 'planted.pth')
    with pytest.raises(CheckpointError, match='asks for|GLOBAL'):
        load_local_checkpoint(str(tmp_path / 'planted.pth'))
