"""The page's networks, small and untrained, and files that visitors drop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image

from sw_mmseg.app.networks import Network
from sw_mmseg.running.configs import load_config
from sw_mmseg.stylization import StyleNetwork


@pytest.fixture(scope='session')
def networks() -> list[Network]:
    """The demo's network with BN, and with SW, whose weights are random."""
    made = []
    with DefaultScope.overwrite_default_scope('mmseg'):
        for title, norm in (('BN', None), ('SW', 'sw')):
            torch.manual_seed(0)
            config = load_config('configs/bn_jitter_streets2cameras.py', {}, norm=norm)
            made.append(Network(title, MODELS.build(config.model), config))
    return made


@pytest.fixture(scope='session')
def style() -> StyleNetwork:
    """Of random weights."""
    torch.manual_seed(0)
    return StyleNetwork(norm_cfg=dict(type='SW'), width=16, blocks=1, decoder='resize').eval()


@pytest.fixture(scope='session')
def dropped(tmp_path_factory):
    """Name -> file that a visitor drops."""
    folder = tmp_path_factory.mktemp('dropped')
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).save(folder / 'street.png')
    Image.fromarray(np.zeros((4600, 4600), np.uint8)).save(folder / 'huge.png')  # few bytes, many pixels
    (folder / 'heavy.png').write_bytes(b'\0' * 20_000_001)
    (folder / 'notes.txt').write_text('no image')
    (folder / 'false.png').write_text('no image either')
    (folder / 'false.mp4').write_text('no video')
    writer = cv2.VideoWriter(str(folder / 'drive.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (96, 64))
    for brightness in (0, 120, 240):
        writer.write(np.full((64, 96, 3), brightness, np.uint8))
    writer.release()
    return {file.name: file for file in folder.iterdir()}
