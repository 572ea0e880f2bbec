"""Whitening alone, with no OpenMMLab package in reach."""

import subprocess
import sys

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'mmcv', 'mmengine', 'mmseg', 'mmdet', 'mmpretrain', 'cv2', 'torchvision', 'triton'}:
            raise ImportError(name + ' is blocked')

sys.meta_path.insert(0, Blocker())
import torch
from sw_mmseg.whitening import SwitchWhiten2d
x = torch.randn(2, 32, 8, 8, requires_grad=True)
SwitchWhiten2d(32)(x).sum().backward()
print(torch.isfinite(x.grad).all().item())
"""


def test_whitening_works_without_openmmlab():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', BLOCKED], capture_output=True, text=True)
    assert done.stdout.strip() == 'True', done.stderr
