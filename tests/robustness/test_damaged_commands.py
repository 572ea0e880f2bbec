"""Every command on damaged files: what it cannot use is named in a line, and it neither ends in a traceback, hangs nor
takes a gigabyte more.

`SW_MMSEG_DAMAGE` says how many of each command (4).
"""

import os

import pytest
import torch

from tests.robustness.commands import called, prepared
from tests.robustness.mutations import Watched, mutation

pytestmark = [pytest.mark.robustness, pytest.mark.usefixtures('one_thread', 'short_trainings')]
NUMBER = int(os.environ.get('SW_MMSEG_DAMAGE', '4'))
SECONDS = 60  # a call, of which almost all take one
# exit status of what is not 0 on whole files: some are refused, archives lack images, adapt is stopped before it trains
WHOLE = dict.fromkeys(('hed.h5', 'hed.whl', 'released.pth'), 2) | dict.fromkeys(('ade.zip', 'city.zip'), 1)
WHOLE |= dict.fromkeys(('begun/adapt.json', 'noted/check/inputs.json'), 130)


def test_commands_say_what_is_damaged(tiny_config, streets, tmp_path, monkeypatch):
    readers = prepared(tmp_path, tiny_config('sw_sourceonly'), streets, monkeypatch)
    watched, texts = Watched(tmp_path, readers, SECONDS), {}
    try:
        for number in range(NUMBER * len(readers)):
            if text := watched.read(number):
                texts[number] = f'{mutation(number, readers)[0]}: {text}'
    finally:
        watched.end()
    assert watched.whole == {name: WHOLE.get(name, 0) for name in readers}
    assert texts == {}


class Planted:
    """Its pickle asks for a folder to be made."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_nothing_planted_in_a_checkpoint_is_run(tiny_config, streets, tmp_path, monkeypatch):
    readers = prepared(tmp_path, tiny_config('sw_sourceonly'), streets, monkeypatch)
    trace, statuses = tmp_path / 'ran', {}
    for name, (content, read) in readers.items():
        if not name.endswith('.pth'):
            continue
        (tmp_path / name).write_bytes(content)
        checkpoint = torch.load(tmp_path / name, weights_only=False)
        torch.save(checkpoint | {'more': Planted(trace)}, tmp_path / name)
        statuses[name] = read(tmp_path / name)
        assert not trace.exists(), name
    assert len(statuses) == 12 and set(statuses.values()) == {2}, statuses
    words = f'predict {tiny_config("sw_sourceonly")} {tmp_path}/predict.pth {tmp_path}/image.png {tmp_path}/out/trusted'
    words += ' --trust-checkpoint'
    assert called(words) == 0 and trace.is_dir()  # so that the plant is one
