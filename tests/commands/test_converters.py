"""Archives as they are downloaded, made tiny: unpacked, counted, stopped half-way, damaged."""

import zipfile
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import FoldersADE20K, RawCityscapesDataset
from sw_mmseg.running.command_line import run_tool

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


@pytest.fixture
def convert(monkeypatch):
    def run(name, *words, **counts):
        tool = import_module(f'sw_mmseg.commands.dataset_converters.{name}')
        monkeypatch.setattr(tool, 'COUNTS', counts)
        return run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))

    return run


def picture(path, mode, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (6, 4), value).save(path)


def pack(folder, archive):
    with zipfile.ZipFile(archive, 'w') as file:
        for path in sorted(p for p in folder.rglob('*') if p.is_file()):
            file.write(path, path.relative_to(folder))
    return archive


@pytest.fixture
def ade_zip(tmp_path):
    root = tmp_path / 'made' / 'ADEChallengeData2016'
    for split, kind in (('training', 'train'), ('validation', 'val')):
        for n in (1, 2):
            picture(root / f'images/{split}/ADE_{kind}_{n:08d}.jpg', 'RGB', (n, n, n))
            picture(root / f'annotations/{split}/ADE_{kind}_{n:08d}.png', 'L', n)
    (root / 'objectInfo150.txt').write_text('names')
    return pack(tmp_path / 'made', tmp_path / 'ADEChallengeData2016.zip')


def test_ade20k_unpacks_counts_and_trains(convert, ade_zip, tmp_path, capsys):
    out = tmp_path / 'data/ade'
    assert convert('ade20k', ade_zip, '--out', out, training=2, validation=2) == 0
    assert 'complete' in capsys.readouterr().out
    data = FoldersADE20K(str(out / 'ADEChallengeData2016'), split='validation', pipeline=LOAD)
    assert [int(data[i]['data_samples'].gt_sem_seg.data[0, 0, 0]) for i in range(2)] == [0, 1]
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*.*')}
    assert len(before) == 9
    assert convert('ade20k', ade_zip, '--out', out, training=2, validation=2) == 0  # nothing to do
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*.*')} == before


def test_what_is_missing_is_counted_and_named(convert, ade_zip, tmp_path, capsys):
    out = tmp_path / 'ade'
    assert convert('ade20k', ade_zip, '--out', out, training=3, validation=2) == 1
    (out / 'ADEChallengeData2016/annotations/training/ADE_train_00000002.png').unlink()
    capsys.readouterr()
    assert convert('ade20k', '--out', out, training=2, validation=2) == 1  # no archive: it counts
    text = capsys.readouterr().out
    assert 'annotations/training: 1 of 2, 1 without counterpart missing here, the first ADE_train_00000002' in text
    assert 'images/training: 2 of 2\n' in text and '1 files are missing' in text
    assert convert('ade20k', ade_zip, '--out', out, training=2, validation=2) == 0  # and it goes on


def test_archives_that_cannot_be_used(convert, ade_zip, tmp_path, capsys):
    assert convert('ade20k', tmp_path / 'none.zip', '--out', tmp_path / 'o') == 2
    assert 'no archive' in capsys.readouterr().err and not (tmp_path / 'o').exists()
    whole = ade_zip.read_bytes()
    ade_zip.write_bytes(whole[: len(whole) // 2])  # a download that broke off
    assert convert('ade20k', ade_zip, '--out', tmp_path / 'o') == 2
    assert 'is no whole zip file' in capsys.readouterr().err
    ade_zip.write_bytes(whole.replace(b'names', b'nemas', 1))  # the check sum does not fit
    assert convert('ade20k', ade_zip, '--out', tmp_path / 'o') == 2
    assert 'download it again' in capsys.readouterr().err
    assert not (tmp_path / 'o/ADEChallengeData2016/objectInfo150.txt').exists()  # nothing damaged under its name
    with zipfile.ZipFile(tmp_path / 'evil.zip', 'w') as file:
        file.writestr('ADEChallengeData2016/../../out.txt', 'x')
    assert convert('ade20k', tmp_path / 'evil.zip', '--out', tmp_path / 'o') == 2
    assert 'outside of' in capsys.readouterr().err and not (tmp_path / 'out.txt').exists()


def test_cityscapes_unpacks_counts_and_writes_train_ids(convert, tmp_path, capsys):
    for split, city in (('train', 'aachen'), ('val', 'munster'), ('test', 'berlin')):
        stem = f'{split}/{city}/{city}_000000_000019'
        picture(tmp_path / f'images/leftImg8bit/{stem}_leftImg8bit.png', 'RGB', (1, 2, 3))
        picture(tmp_path / f'truth/gtFine/{stem}_gtFine_labelIds.png', 'L', 26)
        picture(tmp_path / f'truth/gtFine/{stem}_gtFine_color.png', 'RGB', (0, 0, 142))
    archives = [
        pack(tmp_path / 'truth', tmp_path / 'gtFine_trainvaltest.zip'),
        pack(tmp_path / 'images', tmp_path / 'leftImg8bit_trainvaltest.zip'),
    ]
    out = tmp_path / 'cityscapes'
    assert convert('cityscapes', archives[0], '--out', out, train=1, val=1) == 1
    assert 'leftImg8bit/train: 0 of 1, 1 without counterpart' in capsys.readouterr().out
    assert convert('cityscapes', *archives, '--out', out, '--train-ids', train=1, val=1) == 0
    assert '2 files of train ids written' in capsys.readouterr().out
    for ids in ('raw', 'train'):
        data = RawCityscapesDataset(str(out), split='val', label_ids=ids, pipeline=LOAD)
        assert (data[0]['data_samples'].gt_sem_seg.data == 13).all()  # car
    written = np.array(Image.open(out / 'gtFine/train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png'))
    assert written.dtype == np.uint8 and (written == 13).all()


def test_a_users_file_of_a_members_name_stays(convert, ade_zip, tmp_path, capsys):
    file = tmp_path / 'ade/ADEChallengeData2016/objectInfo150.txt'
    file.parent.mkdir(parents=True)
    file.write_text("the user's own")
    assert convert('ade20k', ade_zip, '--out', tmp_path / 'ade', training=2, validation=2) == 2
    assert 'move it away' in capsys.readouterr().err and file.read_text() == "the user's own"
