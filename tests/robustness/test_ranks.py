"""Two and four processes of one training, one of which raises, is killed, stands still or comes late: an error on all
the others, within the time that the config allows, and no deadlock."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.helpers.launched import unused_port

pytestmark = pytest.mark.robustness
REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUTS = {2: 15, 4: 30}  # seconds, of the config: processes share two cores while they start
MARGIN = 60  # for a process to start, and to end
LAST = [(2, 0), (2, 1), (4, 0), (4, 3)]  # processes, and the one that is hit
ENDLESS = 100_000


class Ranks:
    """The processes of one training, started without a launcher, which would end the others itself."""

    def __init__(self, config, folder, world, iterations=ENDLESS):
        self.world, self.timeout, self.folder, self.port = world, TIMEOUTS[world], folder / 'run', unused_port()
        self.started, self.config = {}, folder / 'config.py'
        self.config.write_text(
            f"_base_ = '{config}'\n"
            "custom_imports = dict(imports=['sw_mmseg.plugin', 'tests.helpers.rank_record', 'tests.helpers.failing'],\n"
            '                      allow_failed_imports=False)\n'
            "custom_hooks = [dict(type='RankRecordHook'), dict(type='FailingHook')]\n"
            f'env_cfg = dict(dist_cfg=dict(timeout={self.timeout}))\n'
            f'train_cfg = dict(max_iters={iterations}, val_interval={iterations})\n'
            'default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=1))\n'
        )

    def start(self, *numbers, words=(), **variables):
        for number in numbers:
            environment = {
                **os.environ,
                'RANK': str(number),
                'LOCAL_RANK': str(number),
                'WORLD_SIZE': str(self.world),
                'MASTER_ADDR': '127.0.0.1',
                'MASTER_PORT': str(self.port),
                'OMP_NUM_THREADS': '1',
                'CUDA_VISIBLE_DEVICES': '',
                'PYTHONPATH': str(REPOSITORY),
                **variables,
            }
            command = [sys.executable, 'tools/train.py', self.config, '--launcher', 'pytorch', '--check-data', 'none']
            with open(self.config.with_name(f'said_by_{number}'), 'w') as said:  # a pipe that nobody reads would fill
                self.started[number] = subprocess.Popen(
                    [*command, '--work-dir', self.folder, *words],
                    cwd=REPOSITORY,
                    env=environment,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )

    def said(self, number):
        return self.config.with_name(f'said_by_{number}').read_text()

    def at_work(self, iterations=3):
        """Numbers of the processes, once all have done so many iterations."""
        end = time.monotonic() + 240
        numbers = {}
        while len(numbers) < self.world:
            for number, process in self.started.items():
                assert time.monotonic() < end and process.poll() is None, self.said(number)[-3000:]
                file = self.folder / f'process_{number}'
                done = file.read_text().split() if file.is_file() else []
                if len(done) == 2 and int(done[1]) >= iterations:
                    numbers[number] = int(done[0])
            time.sleep(0.1)
        return numbers

    def ended(self, number, seconds, status=None):
        """What it said when it ended by itself; its exit status is none of success unless told."""
        code = self.started[number].wait(seconds)
        text = self.said(number)
        assert code == status if status is not None else code != 0, text[-2000:]
        return text

    def peers(self, hit):
        return [number for number in range(self.world) if number != hit]


@pytest.fixture
def ranks(tiny_scenes, tmp_path):
    """`ranks(4)` -> that many processes, none of which is started yet; whatever is left at the end is killed."""
    made = []

    def make(world, **settings):
        made.append(Ranks(tiny_scenes('sw_pspnet', 1), tmp_path, world, **settings))
        return made[-1]

    yield make
    for process in (process for each in made for process in each.started.values()):
        process.kill()
        process.wait()


@pytest.mark.parametrize('world', TIMEOUTS)
def test_one_that_raises(ranks, world):
    made = ranks(world)
    made.start(*range(world - 1))
    made.start(world - 1, FAILING='4')
    assert 'as this test wants it' in made.ended(world - 1, made.timeout + 4 * MARGIN)
    end = time.monotonic() + made.timeout + MARGIN
    for number in range(world - 1):
        text = made.ended(number, end - time.monotonic())
        assert f'process {number} of {world} lost another one at iteration' in text and '--resume' in text
        assert 'Traceback' not in text


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize('world, hit', LAST)
def test_one_that_is_killed_or_stands_still(ranks, world, hit, number):
    made = ranks(world)
    made.start(*range(world))
    numbers = made.at_work()
    os.kill(numbers[hit], number)
    end = time.monotonic() + made.timeout + MARGIN
    for other in made.peers(hit):
        text = made.ended(other, end - time.monotonic())
        assert f'process {other} of {world} lost another one' in text and 'Traceback' not in text
    if number == signal.SIGSTOP:  # when it goes on, it finds itself alone
        os.kill(numbers[hit], signal.SIGCONT)
        made.ended(hit, made.timeout + MARGIN)


@pytest.mark.parametrize('world, hit', LAST)
def test_one_that_comes_too_late(ranks, world, hit):
    """By then the others have given up; it gives up as they did, and does not wait for ever."""
    made = ranks(world)
    made.start(*made.peers(hit))
    for number in made.peers(hit):
        text = made.ended(number, made.timeout + 2 * MARGIN)
        assert f'process {number} of {world} did not find the others' in text and 'Traceback' not in text
    made.start(hit)
    text = made.ended(hit, made.timeout + 2 * MARGIN)
    assert f'process {hit} of {world} did not find the others' in text and 'Traceback' not in text


@pytest.mark.parametrize('world, hit', LAST)
def test_one_that_comes_late_is_waited_for(ranks, world, hit):
    made = ranks(world, iterations=2)
    made.start(*made.peers(hit))
    time.sleep(8)
    made.start(hit)
    for number in range(world):
        made.ended(number, made.timeout + 4 * MARGIN, status=0)
    states = [torch.load(made.folder / f'rank_{number}.pth')['state'] for number in range(world)]
    assert states[0] and all(torch.equal(value, state[key]) for state in states for key, value in states[0].items())


def test_four_processes_count_three_pictures_once_each(tiny_scenes, start, alone, tmp_path):
    """One process has no picture of its own and gets one twice to fill up."""
    config = tiny_scenes('sw_pspnet')
    assert alone('train', config, '--work-dir', tmp_path / 'run', '--check-data', 'none') == 0
    checkpoint, four, one = (tmp_path / name for name in ('run/iter_3.pth', 'four', 'one'))
    process = start('tools/dist_test.sh', config, checkpoint, 4, '--work-dir', four, '--out', four / 'labels')
    assert alone('test', config, checkpoint, '--work-dir', one, '--out', one / 'labels') == 0
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    metrics = [json.loads((folder / 'iter_3_metrics.json').read_text()) for folder in (one, four)]
    assert metrics[0] == metrics[1] and metrics[0]['aAcc'] > 0
    written = [{file.name: file.read_bytes() for file in folder.rglob('*.png')} for folder in (one, four)]
    assert written[0] == written[1] and len(written[0]) == 3
