"""Nothing is left behind: workers end with the process that started them, though it is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.launched import alive

POOL = """
from sw_mmseg.datasets.streets import generate_streets
generate_streets('{folder}', size=(512, 256), source=3000, target_train=0, target_val=0, workers=2)
"""
# two workers who fill a pipe that nobody empties
LOADER = """
import time
import numpy as np
import sw_mmseg.plugin
from mmengine.runner import Runner
class Large:
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        return np.zeros(1_000_000, np.uint8).tobytes()
loader = Runner.build_dataloader(dict(dataset=Large(), sampler=dict(type='DefaultSampler', shuffle=False),
                                      num_workers=2, batch_size=4, prefetch_factor=8), seed=0)
iterator = iter(loader)
next(iterator)
time.sleep(600)
"""


def children(number):
    with open(f'/proc/{number}/task/{number}/children') as file:
        return [int(word) for word in file.read().split()]


def until(condition, seconds, fault):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, fault
        time.sleep(0.05)


@pytest.mark.skipif(not os.path.isdir('/proc/self/task'), reason='children are counted in /proc')
@pytest.mark.parametrize('text', [pytest.param(POOL, marks=pytest.mark.slow), LOADER], ids=['pool', 'loader'])
def test_workers_end_with_a_process_that_is_killed(text, tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-c', text.format(folder=tmp_path) if text is POOL else text],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: process.poll() is not None or len(children(process.pid)) >= 2, 60, 'no workers')
        time.sleep(3 if text is LOADER else 1)  # for the pipe to be full
        workers = children(process.pid)
        assert len(workers) >= 2
        process.kill()
        process.wait()
        until(lambda: not any(map(alive, workers)), 10, 'workers are left')
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
