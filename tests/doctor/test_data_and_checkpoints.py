"""What the doctor says of data and of checkpoints: sound ones, and those with one fault each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from tests.helpers.own_folders import save, write_folders


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    """Config, and a checkpoint of it as mmengine writes them."""
    path = tiny_config('bn_sourceonly')
    state = MODELS.build(Config.fromfile(path).model).state_dict()
    meta = {'iter': 6, 'seed': 3, 'cfg': "data_root = 'data/somewhere'", 'dataset_meta': {'classes': ('a', 'b')}}
    return path, {'state_dict': state, 'meta': meta}, tmp_path / 'iter_6.pth'


def test_a_checkpoint_tells_what_it_was_trained_on(run, checkpoint, capsys):
    path, content, file = checkpoint
    del content['meta']['dataset_meta']
    torch.save(content, file)
    assert run('doctor', 'checkpoint', path, file) == 0
    told = capsys.readouterr().out
    assert 'iter 6, seed 3' in told and 'data/somewhere' in told and 'entries fit the config' in told
    assert 'BatchNorm2d' in told and 'all are finite' in told


def test_faults_of_a_checkpoint_are_told_each(run, checkpoint, capsys):
    path, content, file = checkpoint
    state = content['state_dict']
    first, last = list(state)[0], list(state)[-1]
    state[first].view(-1)[0] = float('nan')
    del state[last]
    torch.save(content, file)
    assert run('doctor', 'checkpoint', path, file) == 1
    told = capsys.readouterr().out
    assert f'1 entries hold NaN or infinity, {first}' in told
    assert 'lacks 1 of' in told and last in told
    assert 'trained for a, b; the config has road' in told


def test_data_of_a_config_are_counted_and_shown(run, tiny_config, tmp_path, capsys):
    assert run('doctor', 'data', tiny_config('bn_adaptsegnet'), '--out', tmp_path / 'out', '--number', 2) == 0
    told = capsys.readouterr().out
    assert 'train source  6 images, with labels, 64x32, 19 classes' in told
    assert 'train target  4 images, no labels, 64x32' in told
    with Image.open(tmp_path / 'out/train_00001.png') as picture:
        assert picture.width > 480


def test_faulty_labels_of_a_config_are_told(run, tiny_config, streets, tmp_path, capsys):
    config = tmp_path / 'lost.py'
    config.write_text(
        f"_base_ = '{tiny_config('bn_sourceonly')}'\n"
        f"val_dataloader = dict(dataset=dict(data_root='{tmp_path / 'nowhere'}'))\n"
    )
    assert run('doctor', 'data', config, '--out', tmp_path / 'out') == 1
    told = capsys.readouterr().out
    assert 'BROKEN  val' in told and 'nowhere' in told and not (tmp_path / 'out').exists()


def test_folders_are_looked_at_as_adapt_looks_at_them(run, tmp_path, capsys):
    folders = write_folders(tmp_path)
    words = [folders / 'source/images', folders / 'source/labels']
    assert run('doctor', 'data', *words, folders / 'target', '--out', tmp_path / 'out') == 0
    told = capsys.readouterr().out
    assert 'target   4 images, 80x64' in told and '75.0 %' in told
    assert {file.name for file in (tmp_path / 'out/check').glob('*.png')} == {'source.png', 'target.png'}
    assert run('doctor', 'data', *words, '--out', tmp_path / 'alone') == 0
    assert (tmp_path / 'alone/check/source.png').is_file()


def test_a_label_of_another_size_is_told_with_its_name(run, tmp_path, capsys):
    folders = write_folders(tmp_path)
    save(folders / 'source/labels/0/2.png', np.ones((10, 20), np.uint8))
    words = [folders / 'source/images', folders / 'source/labels', folders / 'target']
    assert run('doctor', 'data', *words, '--out', tmp_path / 'out') == 1
    assert '2.png' in capsys.readouterr().out
    assert run('doctor', 'data', words[0], words[1], words[2], words[2]) == 2


def test_what_is_there_is_not_written_over(run, tiny_config, tmp_path, capsys):
    """Neither by pictures of a config nor among those of a run of adapt."""
    folders, out = write_folders(tmp_path / 'data'), tmp_path / 'out'
    plain = [folders / 'source/images', folders / 'source/labels']
    for name, words in (
        ('train_00001.png', [tiny_config('bn_sourceonly')]),
        ('check/source.png', plain),
        ('check/target.png', [*plain, folders / 'target']),
    ):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"the user's own")
        assert run('doctor', 'data', *words, '--out', out, '--number', 2) == 2
        assert f'{out / name} exists and is not of an earlier' in capsys.readouterr().err
        assert (out / name).read_bytes() == b"the user's own"
        for more in (['--overwrite'], []):
            assert run('doctor', 'data', *words, '--out', out, '--number', 2, *more) == 0
        capsys.readouterr()


def test_a_checkpoint_of_another_tool_is_broken(run, checkpoint, capsys):
    path, content, file = checkpoint
    torch.save({'model': content['state_dict'], 'epoch': 3}, file)
    assert run('doctor', 'checkpoint', path, file) == 1
    assert 'what it holds as model, epoch are no weights' in capsys.readouterr().out
