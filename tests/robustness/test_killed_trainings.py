"""Trainings of every kind, killed at random moments and resumed to their end: each is the undisturbed one, to the bit.

`SW_MMSEG_KILLS` says how many trainings of each of the ten kinds are killed (5), `SW_MMSEG_SEED` at which moments (0).
"""

import multiprocessing
import os
import random
import signal
import time

import pytest

import sw_mmseg.commands.train  # noqa: F401  # copies of this process need not import it
from tests.helpers.weights import equal, weights
from tests.robustness.trainings import KINDS

pytestmark = [pytest.mark.robustness, pytest.mark.usefixtures('one_thread', 'short_trainings')]
KILLS = int(os.environ.get('SW_MMSEG_KILLS', '5'))
SEED = int(os.environ.get('SW_MMSEG_SEED', '0'))
ITERATIONS = 10
LENGTH = f"""
train_cfg = dict(max_iters={ITERATIONS}, val_interval=4)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1))
"""


@pytest.fixture
def training(run):
    """`training(...)` -> a process that trains; a copy of this one, in which all is imported."""
    started = []

    def begin(config, folder, *words):
        def work():
            os.setpgrp()
            os._exit(run('train', config, '--work-dir', folder, '--check-data', 'none', *words))

        started.append(multiprocessing.get_context('fork').Process(target=work))
        started[-1].start()
        return started[-1]

    yield begin
    for process in started:
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)


UNDISTURBED = {}  # kind -> its folder


def undisturbed(kind, training, tmp_path_factory, request):
    if kind not in UNDISTURBED:
        folder = tmp_path_factory.mktemp(kind.__name__)
        given = {name: request.getfixturevalue(name) for name in ('tiny_config', 'tiny_scenes', 'streets')}
        (folder / 'config.py').write_text(kind(**given, folder=folder) + LENGTH)
        whole = training(folder / 'config.py', folder / 'whole')
        whole.join(240)
        assert whole.exitcode == 0
        UNDISTURBED[kind] = folder
    return UNDISTURBED[kind]


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('number', range(KILLS))
def test_killed_and_resumed_is_undisturbed(kind, number, training, tmp_path_factory, request):
    source, folder = undisturbed(kind, training, tmp_path_factory, request), tmp_path_factory.mktemp('killed')
    config, rng = source / 'config.py', random.Random(f'{SEED} {kind.__name__} {number}')
    killed = training(config, folder / 'cut')
    reached, end = rng.randrange(1, ITERATIONS - 3), time.monotonic() + 240
    while not list((folder / 'cut').glob(f'iter_{reached}.pth')) and killed.is_alive():
        assert time.monotonic() < end
        time.sleep(0.001)
    time.sleep(rng.random() * 0.2)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL and not (folder / 'cut' / f'iter_{ITERATIONS}.pth').is_file()
    resumed = training(config, folder / 'cut', '--resume')
    resumed.join(240)
    assert resumed.exitcode == 0
    one, other = (weights(place / f'iter_{ITERATIONS}.pth') for place in (source / 'whole', folder / 'cut'))
    assert len(one[0]) > 10 and one[1] and equal(one, other)
