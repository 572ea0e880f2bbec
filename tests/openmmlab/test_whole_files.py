"""Files of mmengine's are there whole or not at all."""

import os

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.runner import save_checkpoint

import sw_mmseg.plugin  # noqa: F401
from tests.helpers.disks import little_room


def test_a_full_disk_leaves_what_was_there(tmp_path):
    file = tmp_path / 'folder/iter_1.pth'
    LocalBackend().put(b'before', str(file))
    with little_room(), pytest.raises(OSError, match='File too large'):
        save_checkpoint({'weight': torch.zeros(10_000)}, str(file))
    assert file.read_bytes() == b'before' and list(file.parent.iterdir()) == [file]
    save_checkpoint({'weight': torch.zeros(10_000)}, str(file))
    assert torch.load(file)['weight'].shape == (10_000,) and list(file.parent.iterdir()) == [file]


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def brought(number):
        done.append(('brought', os.fstat(number).st_ino, os.fstat(number).st_size))
        fsync(number)

    def renamed(part, file):
        done.append(('renamed', os.stat(part).st_ino, os.stat(part).st_size))
        replace(part, file)

    monkeypatch.setattr(os, 'fsync', brought)
    monkeypatch.setattr(os, 'replace', renamed)
    LocalBackend().put(bytes(1000), str(tmp_path / 'iter_1.pth'))
    number = os.stat(tmp_path / 'iter_1.pth').st_ino
    assert done == [('brought', number, 1000), ('renamed', number, 1000)]
