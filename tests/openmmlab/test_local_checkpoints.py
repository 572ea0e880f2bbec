"""Checkpoints with mmengine's log buffers in them open on any torch."""

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.openmmlab import load_local_checkpoint


@pytest.mark.parametrize('load', [load_local_checkpoint, CheckpointLoader.load_checkpoint])
def test_log_buffers_come_back(load, tmp_path):
    path = str(tmp_path / 'iter_1.pth')
    torch.save({'state_dict': {'w': torch.ones(2)}, 'message_hub': {'loss': HistoryBuffer([1.5, 2.5], [1, 1])}}, path)
    checkpoint = load(path, map_location='cpu')
    assert checkpoint['message_hub']['loss'].mean() == 2.0 and torch.equal(checkpoint['state_dict']['w'], torch.ones(2))
    with pytest.raises(FileNotFoundError, match='iter_2.pth'):
        load(path.replace('iter_1', 'iter_2'), map_location='cpu')
