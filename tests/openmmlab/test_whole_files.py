"""Files of mmengine's are there whole or not at all."""

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
