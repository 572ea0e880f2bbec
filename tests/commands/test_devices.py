"""A device that a machine has not is a line and exit status 2, in every command that takes one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

COMMANDS = {
    'predict': ('--model', 'streets', '{picture}', '{out}'),
    'image_demo': ('--model', 'streets', '{picture}', '{out}'),
    'stylize': ('{picture}', '{picture}', '{out}'),
    'analysis reestimate_statistics': ('configs/sw_sourceonly_streets.py', '{picture}', '{out}'),
    'app': (),
}


@pytest.mark.parametrize('name', COMMANDS)
@pytest.mark.parametrize('device', ['nonesuch', 'cuda:99'])
def test_a_device_that_is_not_there_is_named(run, tmp_path, capsys, name, device):
    picture = tmp_path / 'picture.png'
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(picture)
    words = [word.format(picture=picture, out=tmp_path / 'out.pth') for word in COMMANDS[name]]
    assert run(name, *words, '--device', device) == 2
    assert f'error: --device {device} cannot be used here: ' in capsys.readouterr().err
    assert not (tmp_path / 'out.pth').exists()
