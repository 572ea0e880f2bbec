"""Whitening alone, with no OpenMMLab package in reach."""

import subprocess
import sys

from tests.helpers.absent import without

OTHERS = ('mmcv', 'mmengine', 'mmseg', 'mmdet', 'mmpretrain', 'cv2', 'torchvision', 'triton')
PROGRAM = """
import torch
from sw_mmseg.whitening import SwitchWhiten2d
x = torch.randn(2, 32, 8, 8, requires_grad=True)
SwitchWhiten2d(32)(x).sum().backward()
print(torch.isfinite(x.grad).all().item())
"""


def test_whitening_works_without_openmmlab():
    program = without(*OTHERS) + PROGRAM
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], capture_output=True, text=True)
    assert done.stdout.strip() == 'True', done.stderr
