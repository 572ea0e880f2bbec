"""Two processes of one training, one of which raises, is killed or stands still: an error on the other, within the time
that the config allows, and no deadlock."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.launched import unused_port, wait_for

pytestmark = pytest.mark.robustness
REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 15  # seconds, of the config
MARGIN = 30  # for a process to start, and to end


@pytest.fixture
def rank(tiny_scenes, tmp_path):
    """`rank(0)` -> that process of two, started without a launcher, which would end the others itself."""
    config, port, started = tmp_path / 'config.py', unused_port(), []
    config.write_text(
        f"_base_ = '{tiny_scenes('sw_pspnet', 1)}'\n"
        "custom_imports = dict(imports=['sw_mmseg.plugin', 'tests.helpers.rank_record', 'tests.helpers.failing'],\n"
        '                      allow_failed_imports=False)\n'
        "custom_hooks = [dict(type='RankRecordHook'), dict(type='FailingHook')]\n"
        f'env_cfg = dict(dist_cfg=dict(timeout={TIMEOUT}))\n'
        'train_cfg = dict(max_iters=100000, val_interval=100000)\n'
        'default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=1))\n'
    )

    def start(number, **variables):
        environment = {
            **os.environ,
            'RANK': str(number),
            'LOCAL_RANK': str(number),
            'WORLD_SIZE': '2',
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': str(port),
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
            'PYTHONPATH': str(REPOSITORY),
            **variables,
        }
        words = [sys.executable, 'tools/train.py', config, '--launcher', 'pytorch', '--check-data', 'none']
        started.append(
            subprocess.Popen(
                [*words, '--work-dir', tmp_path / 'run'],
                cwd=REPOSITORY,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ends(process, seconds):
    """What it said; its exit status is none of success."""
    text, _ = process.communicate(timeout=seconds)
    assert process.returncode != 0, text[-2000:]
    return text


def test_one_that_raises(rank, tmp_path):
    processes = [rank(0), rank(1, FAILING='4')]
    texts = [ends(process, TIMEOUT + 2 * MARGIN) for process in processes]
    assert 'as this test wants it' in texts[1]
    assert 'process 0 of 2 lost another one at iteration' in texts[0] and '--resume' in texts[0]


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize('hit', [0, 1])
def test_one_that_is_killed_or_stands_still(rank, tmp_path, hit, number):
    processes = [rank(0), rank(1)]
    numbers = [wait_for(tmp_path / 'run', index, 3, processes[index]) for index in range(2)]
    os.kill(numbers[hit], number)
    begin = time.monotonic()
    text = ends(processes[1 - hit], TIMEOUT + MARGIN)
    assert f'process {1 - hit} of 2 lost another one' in text and time.monotonic() - begin < TIMEOUT + MARGIN
    if number == signal.SIGSTOP:  # when it goes on, it finds itself alone
        os.kill(numbers[hit], signal.SIGCONT)
        ends(processes[hit], TIMEOUT + MARGIN)


def test_one_that_never_comes_and_one_that_comes_late(rank):
    for number in range(2):
        text = ends(rank(number), TIMEOUT + 2 * MARGIN)
        assert f'process {number} of 2 did not find the others' in text and 'Traceback' not in text
